// The calls in progress, kept up to date by server-sent events.
import { clock, showHeld, showLevels } from './transcript.js';

const rows = document.getElementById('calls');
const template = document.getElementById('row');
const link = document.getElementById('link');

function row(call) {
  const known = [...rows.children].find((each) => each.dataset.call === call.call_id);
  if (known) return known;
  const fresh = template.content.firstElementChild.cloneNode(true);
  fresh.dataset.call = call.call_id;
  fresh.dataset.since = call.created_at;
  for (const form of fresh.querySelectorAll('form')) {
    form.setAttribute('action', form.getAttribute('action').replace('CALL', encodeURIComponent(call.call_id)));
  }
  if (call.carrier === 'softphone') { // no carrier who could hold or transfer it
    for (const form of fresh.querySelectorAll('form:not([action$="/hangup"])')) form.remove();
  }
  rows.prepend(fresh);
  return fresh;
}

function show(call) {
  const mine = row(call);
  const fields = {
    who: call.carrier === 'softphone' ? 'Softphone' : call.person || 'withheld',
    line: call.line,
    agent: call.agent,
    state: call.held ? 'on hold' : call.status.replaceAll('_', ' '),
    last: call.last ? `${call.last.role}: ${call.last.text}` : '',
  };
  for (const [name, text] of Object.entries(fields)) {
    const field = mine.querySelector(`[data-field=${name}]`);
    if (field.textContent !== text) field.textContent = text;
  }
  showHeld(mine, call.held);
  mine.querySelector('a').href = `/calls/${encodeURIComponent(call.call_id)}`;
}

function forget(callId) {
  [...rows.children].find((each) => each.dataset.call === callId)?.remove();
}

function count() {
  document.getElementById('count').textContent = `(${rows.children.length})`;
  document.getElementById('none').hidden = rows.children.length > 0;
}

function tick() {
  for (const each of rows.children) {
    each.querySelector('[data-field=for]').textContent = clock(Date.now() - Date.parse(each.dataset.since));
  }
}

rows.addEventListener('submit', async (event) => { // stay on this page
  event.preventDefault();
  const form = event.target;
  for (const button of form.querySelectorAll('button')) button.disabled = true;
  const answer = await fetch(form.action, { method: 'POST', body: new URLSearchParams(new FormData(form)), redirect: 'manual' });
  const refused = answer.type !== 'opaqueredirect' && !answer.ok;
  if (refused) link.textContent = (await answer.json()).detail ?? 'That could not be done.';
  if (refused || form.dataset.held) { // held or not, the call goes on
    for (const button of form.querySelectorAll('button')) button.disabled = false;
  }
});

const events = new EventSource('/live?levels');
let opened = false;
events.onopen = () => {
  if (opened) location.reload(); // what happened meanwhile is not told again
  opened = true;
  link.textContent = '';
};
events.onerror = () => { link.textContent = 'Not up to date: the connection is lost. Trying again…'; };
events.addEventListener('call', ({ data }) => {
  const call = JSON.parse(data);
  if (call.live) show(call); else forget(call.call_id);
  count();
  tick();
});
events.addEventListener('gone', ({ data }) => { forget(JSON.parse(data).call_id); count(); });
events.addEventListener('levels', ({ data }) => {
  const levels = JSON.parse(data);
  for (const each of rows.children) showLevels(each, levels[each.dataset.call]);
});
setInterval(tick, 1000);
tick();
