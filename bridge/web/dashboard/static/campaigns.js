// Campaigns and how far they have come, kept up to date by server-sent events.
const list = document.getElementById('campaigns');
const link = document.getElementById('link');

function field(card, name) {
  return card.querySelector(`[data-field=${name}]`);
}

function tell(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

function fact([name, count]) {
  const place = document.createElement('div');
  const [term, number] = [document.createElement('dt'), document.createElement('dd')];
  term.textContent = name.replaceAll('_', ' ');
  number.textContent = count;
  place.append(term, number);
  return place;
}

function fresh(campaign) {
  const card = document.getElementById('card').content.firstElementChild.cloneNode(true);
  card.dataset.campaign = campaign.campaign_id;
  for (const [kind, attribute] of [['form', 'action'], ['a', 'href']]) {
    for (const each of card.querySelectorAll(kind)) {
      each.setAttribute(attribute, each.getAttribute(attribute).replace('CAMPAIGN', encodeURIComponent(campaign.campaign_id)));
    }
  }
  tell(field(card, 'name'), campaign.name || campaign.campaign_id);
  tell(field(card, 'made'), `${campaign.campaign_id}, made ${campaign.created_at}`);
  list.prepend(card);
  document.getElementById('none').hidden = true;
  return card;
}

function show(campaign) {
  const card = [...list.children].find((each) => each.dataset.campaign === campaign.campaign_id) ?? fresh(campaign);
  tell(field(card, 'state'), campaign.state);
  tell(field(card, 'why'), campaign.why);
  field(card, 'why').hidden = !campaign.why;
  field(card, 'bar').max = campaign.people || 1;
  field(card, 'bar').value = campaign.ended;
  tell(field(card, 'words'), `${campaign.ended} of ${campaign.people} people; ${campaign.calling} on the phone, ${campaign.waiting} waiting.`);
  field(card, 'outcomes').replaceChildren(...Object.entries(campaign.results).map(fact));
  for (const form of card.querySelectorAll('[data-verb]')) {
    form.hidden = !campaign.verbs.includes(form.dataset.verb);
    form.querySelector('button').disabled = false;
  }
}

list.addEventListener('submit', async (event) => { // stay on this page: what becomes of it is told
  event.preventDefault();
  const form = event.target;
  const name = field(form.closest('[data-campaign]'), 'name').textContent;
  if (form.dataset.verb === 'cancel' && !window.confirm(`Cancel “${name}”? Nobody more is called, and it cannot be resumed.`)) return;
  const button = form.querySelector('button');
  button.disabled = true;
  const answer = await fetch(form.action, { method: 'POST', redirect: 'manual' });
  if (answer.type !== 'opaqueredirect' && !answer.ok) {
    link.textContent = (await answer.json()).detail ?? 'That could not be done.';
    button.disabled = false;
  }
});

const events = new EventSource('/live?campaigns');
events.onopen = () => { link.textContent = ''; };
events.onerror = () => { link.textContent = 'Not up to date: the connection is lost. Trying again…'; };
events.addEventListener('campaign', ({ data }) => show(JSON.parse(data)));
