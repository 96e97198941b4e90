// Turns of a call into a list. What people say is text and nothing else: no markup is ever made of it.

function clock(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (number) => String(number).padStart(2, '0');
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return `${hours ? `${hours}:${two(minutes)}` : minutes}:${two(seconds % 60)}`;
}

function line(turn) {
  const item = document.createElement('li');
  item.className = turn.role === 'caller' ? 'caller' : 'agent';
  item.dataset.at = turn.at_ms;
  const who = document.createElement('b');
  who.textContent = `${turn.role === 'caller' ? 'Caller' : 'Agent'} ${clock(turn.at_ms)}`;
  item.append(who);
  if (turn.interrupted && turn.text.startsWith(turn.heard)) {
    const cut = document.createElement('s');
    cut.textContent = turn.text.slice(turn.heard.length);
    item.append(turn.heard, cut, ' (interrupted)');
  } else {
    item.append(turn.text || '…');
  }
  return item;
}

// `turns` replace what the list has from number `first` on.
export function showTurns(list, turns, first) {
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  turns.forEach((turn, index) => {
    const text = JSON.stringify(turn);
    const old = list.children[first + index];
    if (old?.dataset.turn === text) return;
    const item = line(turn);
    item.dataset.turn = text;
    if (old) old.replaceWith(item); else list.append(item);
  });
  while (list.children.length > first + turns.length) list.lastElementChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

export { clock };

// Of the buttons to hold and to resume, the one that can be used.
export function showHeld(inside, held) {
  for (const form of inside.querySelectorAll('form[data-held]')) form.hidden = (form.dataset.held === 'yes') !== Boolean(held);
}

// How loud both sides are, from 0 to 100; undefined leaves the meters hidden or lets them fall.
export function showLevels(inside, levels) {
  const place = inside.querySelector('[data-levels]');
  if (!place || (place.hidden && !levels)) return;
  place.hidden = false;
  [...place.children].forEach((meter, side) => { meter.value = levels?.[side] ?? 0; });
}
