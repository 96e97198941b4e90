// The sound of one softphone call, on the audio thread: microphone to mu-law frames, and a play-out buffer with marks.
import { FRAME, RATE, Resampler, decode, encode } from './sound.js';

const MAX_QUEUED = RATE * 180; // samples: what the bridge may send ahead, and then some
const REPORT = 0.1; // seconds between two reports of the levels

class Phone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.down = new Resampler(sampleRate, RATE);
    this.up = new Resampler(RATE, sampleRate);
    this.frame = new Uint8Array(FRAME);
    this.filled = 0;
    this.muted = false;
    this.queue = []; // of {sound: Uint8Array} and {mark: string}
    this.offset = 0; // into the first sound
    this.queued = 0;
    this.ready = new Float32Array(0); // at the context's rate, not played yet
    this.peaks = [0, 0];
    this.reported = 0;
    this.silent = true;
    this.over = false;
    this.port.onmessage = ({ data }) => this.order(data);
  }

  order(data) {
    if (data.sound && this.queued + data.sound.length <= MAX_QUEUED) {
      this.queue.push(data);
      this.queued += data.sound.length;
    } else if (data.mark !== undefined) {
      this.queue.push(data);
    } else if (data.clear) {
      for (const item of this.queue) if (item.mark !== undefined) this.port.postMessage({ played: item.mark });
      this.queue = [];
      this.offset = 0;
      this.queued = 0;
      this.ready = new Float32Array(0);
      this.up = new Resampler(RATE, sampleRate);
    } else if (data.muted !== undefined) {
      this.muted = data.muted;
    } else if (data.over) {
      this.over = true;
    }
  }

  hear(input) {
    const samples = this.down.process(input);
    for (const sample of samples) {
      this.peaks[0] = Math.max(this.peaks[0], Math.abs(sample));
      this.frame[this.filled] = encode(this.muted ? 0 : sample);
      this.filled += 1;
      if (this.filled === FRAME) {
        this.port.postMessage({ frame: this.frame.slice(), loud: this.peaks[0] > 0.03 && !this.muted });
        this.filled = 0;
      }
    }
  }

  next(wanted) { // telephone samples: what is queued, then silence
    const samples = new Float32Array(wanted);
    let filled = 0;
    while (this.queue.length > 0) {
      const [first] = this.queue;
      if (first.mark !== undefined) {
        this.queue.shift();
        this.port.postMessage({ played: first.mark });
        continue;
      }
      if (filled === wanted) break;
      samples[filled] = decode(first.sound[this.offset]);
      filled += 1;
      this.offset += 1;
      this.queued -= 1;
      if (this.offset === first.sound.length) {
        this.queue.shift();
        this.offset = 0;
      }
    }
    if (filled > 0 && this.silent) this.port.postMessage({ sounding: true });
    this.silent = filled === 0;
    return samples;
  }

  process(inputs, outputs) {
    if (this.over) return false;
    const [output] = outputs;
    const size = output[0].length;
    this.hear(inputs[0].length > 0 ? inputs[0][0] : new Float32Array(size)); // no microphone: silence, all the time
    while (this.ready.length < size) {
      const more = this.up.process(this.next(Math.ceil((size * RATE) / sampleRate)));
      const joined = new Float32Array(this.ready.length + more.length);
      joined.set(this.ready);
      joined.set(more, this.ready.length);
      this.ready = joined;
    }
    for (const channel of output) channel.set(this.ready.subarray(0, size));
    for (let i = 0; i < size; i += 1) this.peaks[1] = Math.max(this.peaks[1], Math.abs(this.ready[i]));
    this.ready = this.ready.slice(size);
    if (currentTime - this.reported > REPORT) {
      this.port.postMessage({ levels: [this.muted ? 0 : this.peaks[0], this.peaks[1]] });
      this.peaks = [0, 0];
      this.reported = currentTime;
    }
    return true;
  }
}

registerProcessor('phone', Phone);
