// A recording: both voices as a waveform on one clock, turns and cuts marked on it, and a transcript that follows.
import WaveSurfer from './wavesurfer.js';
import Regions from './wavesurfer-regions.js';

export async function play(path, record, list) {
  const player = document.getElementById('player');
  const answer = await fetch(`${path}/waveform.json`);
  if (!answer.ok) return;
  const { seconds, peaks } = await answer.json();
  const colours = getComputedStyle(document.documentElement);
  const colour = (name) => colours.getPropertyValue(name).trim();
  const marks = Regions.create();
  const started = record.started_at ? Date.parse(record.started_at) - Date.parse(record.created_at) : 0; // the tape's zero
  const surfer = WaveSurfer.create({
    container: document.getElementById('waveform'),
    media: player,
    peaks,
    duration: seconds,
    cspNonce: document.querySelector('meta[name=nonce]').content,
    plugins: [marks],
    cursorColor: colour('--ink'),
    splitChannels: [
      { waveColor: colour('--caller'), progressColor: colour('--caller'), height: 70 },
      { waveColor: colour('--agent'), progressColor: colour('--agent'), height: 70 },
    ],
  });
  const second = (ms) => Math.max(0, (ms - started) / 1000);
  surfer.on('ready', () => {
    for (const turn of record.turns) {
      marks.addRegion({ start: second(turn.at_ms), content: turn.role === 'caller' ? 'C' : 'A', drag: false, resize: false, color: colour('--dim') });
    }
    for (const event of record.events) {
      if (event.type === 'interruption') {
        marks.addRegion({ start: second(event.at_ms), content: 'cut', drag: false, resize: false, color: colour('--danger') });
      }
    }
  });
  player.addEventListener('timeupdate', () => {
    let now = null;
    for (const item of list.children) if (second(Number(item.dataset.at)) <= player.currentTime) now = item;
    for (const item of list.children) item.classList.toggle('now', item === now && !player.paused);
  });
  list.addEventListener('click', ({ target }) => {
    const item = target.closest('li');
    if (item) player.currentTime = second(Number(item.dataset.at));
  });
}
