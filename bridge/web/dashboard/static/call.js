// One call: its transcript, which grows while it lasts, and afterwards follows the recording.
import { showHeld, showLevels, showTurns } from './transcript.js';

const call = document.getElementById('call');
const list = document.getElementById('transcript');
const path = `/calls/${encodeURIComponent(call.dataset.call)}`;

function show(record) {
  showTurns(list, record.turns, record.first_turn ?? 0);
  document.getElementById('silent')?.toggleAttribute('hidden', list.children.length > 0);
  document.getElementById('status').textContent = record.status.replaceAll('_', ' ');
  if (record.outcome) {
    document.getElementById('outcome').textContent = `${record.outcome.reason.replaceAll('_', ' ')} (${record.outcome.side})`;
  }
}

const answer = await fetch(path, { headers: { accept: 'application/json' } });
const record = await answer.json();
show(record);

if (call.dataset.live) {
  const events = new EventSource(`/live?levels&call=${encodeURIComponent(call.dataset.call)}`);
  events.addEventListener('record', ({ data }) => {
    const fresh = JSON.parse(data);
    show(fresh);
    showHeld(document, fresh.held);
    for (const form of document.querySelectorAll('[data-recorded]')) form.hidden = form.dataset.recorded !== fresh.recorded;
    if (!fresh.live) {
      events.close();
      document.getElementById('actions')?.remove();
      document.getElementById('loudness')?.remove();
    }
  });
  events.addEventListener('levels', ({ data }) => {
    const place = document.getElementById('loudness');
    place?.toggleAttribute('hidden', false);
    if (place) showLevels(place, JSON.parse(data)[call.dataset.call]);
  });
}

if (call.dataset.sound) {
  const { play } = await import('./recording.js');
  await play(path, record, list);
}
