// The phone's motion sensors and microphone as samples in the contract's units and rate.

import { AudioResampler, MotionResampler } from "./resample.js";

const STANDARD_GRAVITY = 9.80665;
const DEGREE = Math.PI / 180;
const ANSWER_MS = 3000;
const FACTORS = { "m/s2": 1, g: 1 / STANDARD_GRAVITY, "rad/s": 1, dps: 1 / DEGREE, "deg/s": 1 / DEGREE };
// Of each channel: which reading of an event, in m/s2 or rad/s. An event has degrees a second.
const READINGS = {
  ax: (event, gravity) => accelerationOf(event, gravity)?.x,
  ay: (event, gravity) => accelerationOf(event, gravity)?.y,
  az: (event, gravity) => accelerationOf(event, gravity)?.z,
  gx: (event) => inRadians(event.rotationRate?.beta),
  gy: (event) => inRadians(event.rotationRate?.gamma),
  gz: (event) => inRadians(event.rotationRate?.alpha),
};

export class SensorError extends Error {}

// Which of the phone's sensors can deliver a contract's input: "motion", "microphone", or null.
export function sensorFor(input) {
  if (!input.frame_values || input.rate_hz === null || input.channels === null) return null;
  if (input.sensor === "microphone" && input.channels.length === 1) return "microphone";
  const known = input.channels.every(
    (name, i) => Object.hasOwn(READINGS, name) && Object.hasOwn(FACTORS, input.units[i]),
  );
  return known ? "motion" : null;
}

// One event's values in the contract's channels and units; null where the phone lacks one of them.
export function readMotion(event, input, gravity) {
  const values = input.channels.map((name, i) => READINGS[name](event, gravity) * FACTORS[input.units[i]]);
  return values.every(Number.isFinite) ? values : null;
}

// Starts a sensor; `onSamples(samples)` gets samples of all channels, `onGap(missed)` what was lost.
// Returns a function that stops it. Throws SensorError with a sentence for people.
export async function startSensor(kind, input, gravity, onSamples, onGap) {
  if (!isSecureContext) throw new SensorError("Browsers give sensors to pages on HTTPS only.");
  return kind === "microphone" ? startMicrophone(input, onSamples) : startMotion(input, gravity, onSamples, onGap);
}

async function startMotion(input, gravity, onSamples, onGap) {
  if (typeof DeviceMotionEvent === "undefined") throw new SensorError("This browser has no motion sensors.");
  if (typeof DeviceMotionEvent.requestPermission === "function") {
    const answer = await DeviceMotionEvent.requestPermission().catch((error) => error.message);
    if (answer !== "granted")
      throw new SensorError("The motion sensors were not allowed: reload the page to be asked again.");
  }
  const resampler = new MotionResampler(input.rate_hz);
  let answered = () => {};
  const listen = (event) => {
    const values = readMotion(event, input, gravity);
    if (values === null) return;
    answered(true);
    const before = resampler.missed;
    const { samples, gap } = resampler.push(event.timeStamp / 1000, values);
    if (gap) onGap(resampler.missed - before);
    if (samples.length > 0) onSamples(samples);
  };
  window.addEventListener("devicemotion", listen);
  const stop = () => window.removeEventListener("devicemotion", listen);
  const found = await new Promise((resolve) => {
    answered = resolve;
    setTimeout(resolve, ANSWER_MS, false);
  });
  if (found) return stop;
  stop();
  throw new SensorError(`No motion sensor delivers ${input.channels.join(", ")} here.`);
}

async function startMicrophone(input, onSamples) {
  let stream;
  try {
    const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 };
    stream = await navigator.mediaDevices.getUserMedia({ audio: plain });
  } catch (error) {
    throw new SensorError(`The microphone cannot be used: ${error.message}`);
  }
  const context = new AudioContext();
  const stop = () => {
    stream.getTracks().forEach((track) => track.stop());
    context.close();
  };
  try {
    await context.audioWorklet.addModule(new URL("./microphone.js", import.meta.url));
    const resampler = new AudioResampler(context.sampleRate, input.rate_hz);
    const listener = new AudioWorkletNode(context, "tinyops-microphone", { numberOfOutputs: 0 });
    listener.port.onmessage = ({ data }) => onSamples(resampler.push(data).map((value) => [value]));
    context.createMediaStreamSource(stream).connect(listener);
    await context.resume();
  } catch (error) {
    stop();
    throw new SensorError(`The microphone cannot be used: ${error.message}`);
  }
  return stop;
}

function accelerationOf(event, gravity) {
  return gravity ? event.accelerationIncludingGravity : event.acceleration;
}

function inRadians(degrees) {
  return typeof degrees === "number" ? degrees * DEGREE : undefined;
}
