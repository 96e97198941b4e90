// A telephone in the browser. The sound runs in phone-worklet.js; here is the call: its socket, its buttons, its transcript.
import { fromBase64, toBase64 } from './sound.js';
import { clock, showTurns } from './transcript.js';

const $ = (id) => document.getElementById(id);
const MAX_UNSENT = 64 * 1024; // bytes that the socket has not taken: beyond, the microphone's sound is dropped
const UNANSWERED = 10000; // ms after the last word; a later answer was to something else

let phone = null; // the call in progress

class Call {
  constructor() {
    this.id = crypto.randomUUID();
    this.lastWord = null; // when the caller was last heard, while no answer has come
    this.over = false;
  }

  async begin() {
    this.audio = new AudioContext({ latencyHint: 'interactive' });
    await this.audio.audioWorklet.addModule('/static/phone-worklet.js');
    this.node = new AudioWorkletNode(this.audio, 'phone', { numberOfInputs: 1, numberOfOutputs: 1, outputChannelCount: [1] });
    this.node.port.onmessage = ({ data }) => this.heard(data);
    this.node.connect(this.audio.destination);
    const wanted = { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true };
    try {
      this.microphone = await navigator.mediaDevices.getUserMedia({ audio: wanted });
      this.audio.createMediaStreamSource(this.microphone).connect(this.node);
    } catch (error) {
      say(`No microphone (${error.name}). You can listen and use the keypad.`);
    }
    if (this.over) return this.end('');
    await this.audio.resume();
    this.watch();
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    this.socket = new WebSocket(`${scheme}//${location.host}/softphone/media`);
    this.socket.onopen = () => {
      this.send({ type: 'start', call: this.id, line: $('line').value, agent: $('agent').value });
      this.opened = performance.now();
      this.timer = setInterval(() => { $('duration').textContent = clock(performance.now() - this.opened); }, 500);
      if (this.microphone) say('Connected. Speak.');
    };
    this.socket.onmessage = ({ data }) => this.told(JSON.parse(data));
    this.socket.onclose = ({ code }) => this.end(code === 1008
      ? 'The bridge did not take the call: it is full, it is shutting down, or the line is unknown.'
      : this.opened ? 'The call has ended.' : 'The call was refused. Are you still logged in?');
    return undefined;
  }

  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  told(message) {
    if (message.type === 'play') this.node.port.postMessage({ sound: fromBase64(message.data) });
    else if (message.type === 'mark') this.node.port.postMessage({ mark: message.mark });
    else if (message.type === 'clear') this.node.port.postMessage({ clear: true });
  }

  heard(data) { // from the audio thread
    if (data.frame) {
      if (data.loud) this.lastWord = performance.now();
      if (this.socket?.bufferedAmount < MAX_UNSENT) this.send({ type: 'audio', data: toBase64(data.frame) });
    } else if (data.played !== undefined) {
      this.send({ type: 'played', mark: data.played });
    } else if (data.sounding) {
      const took = this.lastWord === null ? Infinity : performance.now() - this.lastWord;
      if (took < UNANSWERED) $('latency').textContent = `${Math.round(took)} ms`;
      this.lastWord = null;
    } else if (data.levels) {
      [$('mine').value, $('theirs').value] = data.levels;
    }
  }

  watch() {
    this.events = new EventSource(`/live?call=${this.id}`);
    this.events.addEventListener('record', ({ data }) => {
      const record = JSON.parse(data);
      showTurns($('transcript'), record.turns, record.first_turn);
      const link = document.createElement('a');
      link.href = `/calls/${encodeURIComponent(record.call_id)}`;
      link.textContent = record.call_id;
      $('record').replaceChildren(link);
      if (!record.live) {
        if (record.outcome) this.outcome = `The call has ended: ${record.outcome.reason.replaceAll('_', ' ')}.`;
        if (this.outcome && (phone === null || phone === this)) say(this.outcome);
        this.events.close();
      }
    });
  }

  key(key) {
    this.send({ type: 'key', key });
    say(`Key ${key}`);
  }

  mute(muted) {
    this.node?.port.postMessage({ muted });
  }

  hangUp() {
    this.send({ type: 'stop' });
    this.over = true;
    setTimeout(() => this.socket?.close(1000), 1500);
  }

  end(words) {
    if (phone === this) phone = null;
    clearInterval(this.timer);
    this.node?.port.postMessage({ over: true });
    this.microphone?.getTracks().forEach((track) => track.stop());
    if (this.audio && this.audio.state !== 'closed') this.audio.close();
    setTimeout(() => this.events?.close(), 3000); // the last word of the record may still come
    if (words) say(this.outcome ?? words);
    buttons(false);
  }
}

function say(words) {
  $('state').textContent = words;
}

function buttons(calling) {
  $('call').disabled = calling;
  $('line').disabled = calling;
  $('agent').disabled = calling;
  $('hangup').disabled = !calling;
  $('mute').disabled = !calling;
  $('mute').setAttribute('aria-pressed', 'false');
  for (const key of document.querySelectorAll('[data-key]')) key.disabled = !calling;
  $('mine').value = 0;
  $('theirs').value = 0;
}

$('call').onclick = async () => {
  if (phone) return;
  phone = new Call();
  const mine = phone;
  buttons(true);
  $('transcript').replaceChildren();
  $('latency').textContent = '–';
  $('record').textContent = '–';
  say('Calling…');
  try {
    await mine.begin();
  } catch (error) {
    mine.end(`The browser could not start the sound: ${error.message}`);
  }
};

$('hangup').onclick = () => phone?.hangUp();

$('mute').onclick = () => {
  const muted = $('mute').getAttribute('aria-pressed') !== 'true';
  $('mute').setAttribute('aria-pressed', String(muted));
  phone?.mute(muted);
};

for (const button of document.querySelectorAll('[data-key]')) button.onclick = () => phone?.key(button.dataset.key);

document.addEventListener('keydown', (event) => {
  if (phone && /^[0-9*#]$/.test(event.key) && !event.ctrlKey && !event.altKey && !event.metaKey) phone.key(event.key);
});

window.addEventListener('pagehide', () => phone?.send({ type: 'stop' }));
