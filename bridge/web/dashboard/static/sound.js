// Telephone sound in the browser: mu-law (ITU-T G.711) and a streaming resampler. No DOM here: the AudioWorklet imports it.

export const RATE = 8000; // samples a second on the telephone
export const FRAME = 160; // samples of one message: 20 ms

const BIAS = 0x84;
const CLIP = 32635;

export function encode(sample) { // -1..1 -> one byte
  let value = Math.max(-CLIP, Math.min(CLIP, Math.round(sample * 32768)));
  const sign = value < 0 ? 0x80 : 0;
  if (value < 0) value = -value;
  value += BIAS;
  let exponent = 7;
  for (let mask = 0x4000; (value & mask) === 0 && exponent > 0; mask >>= 1) exponent -= 1;
  const mantissa = (value >> (exponent + 3)) & 0x0f;
  return ~(sign | (exponent << 4) | mantissa) & 0xff;
}

const DECODED = new Float32Array(256);
for (let code = 0; code < 256; code += 1) {
  const byte = ~code & 0xff;
  const magnitude = ((((byte & 0x0f) << 3) + BIAS) << ((byte & 0x70) >> 4)) - BIAS;
  DECODED[code] = (byte & 0x80 ? -magnitude : magnitude) / 32768;
}

export function decode(byte) { // one byte -> -1..1
  return DECODED[byte];
}

const PHASES = 256; // of the filter's table, between two samples; nearer than the noise of mu-law
const LOBES = 12; // zero crossings of the filter on either side

// Any rate to any other, in pieces of any size; every sample counts. Windowed sinc, cut off below the lower half rate.
export class Resampler {
  constructor(from, to) {
    this.step = from / to;
    const cutoff = Math.min(1, to / from) * 0.94;
    this.half = Math.ceil(LOBES / cutoff);
    this.table = new Float32Array(this.half * PHASES + 2);
    for (let i = 0; i < this.half * PHASES; i += 1) {
      const x = i / PHASES;
      const arc = Math.PI * x * cutoff;
      const sinc = i === 0 ? 1 : Math.sin(arc) / arc;
      const window = 0.5 + 0.5 * Math.cos((Math.PI * x) / this.half);
      this.table[i] = cutoff * sinc * window;
    }
    this.kept = new Float32Array(this.half); // silence before the first sample
    this.at = this.half; // where in kept the next sample of the output lies
  }

  process(samples) { // Float32Array -> Float32Array
    const input = new Float32Array(this.kept.length + samples.length);
    input.set(this.kept);
    input.set(samples, this.kept.length);
    const output = [];
    while (this.at + this.half < input.length) {
      const first = Math.ceil(this.at - this.half);
      const last = Math.floor(this.at + this.half);
      let sum = 0;
      for (let n = Math.max(first, 0); n <= last; n += 1) {
        sum += input[n] * this.table[Math.round(Math.abs(this.at - n) * PHASES)];
      }
      output.push(sum);
      this.at += this.step;
    }
    const used = Math.max(0, Math.floor(this.at) - this.half);
    this.kept = input.slice(used);
    this.at -= used;
    return Float32Array.from(output);
  }
}

export function toBase64(bytes) {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

export function fromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
