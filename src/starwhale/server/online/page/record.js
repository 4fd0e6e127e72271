// A sound from the microphone, as a WAV file of one channel: whatever a browser records in, every model can read that.
import { button, make } from "./dom.js";
import { toBase64 } from "./media.js";

const toWav = (samples, rate) => {
  const view = new DataView(new ArrayBuffer(44 + samples.length * 2));
  const word = (at, text) => [...text].forEach((each, place) => view.setUint8(at + place, each.charCodeAt(0)));
  word(0, "RIFF");
  view.setUint32(4, view.byteLength - 8, true);
  word(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // whole numbers
  view.setUint16(22, 1, true); // one channel
  view.setUint32(24, rate, true);
  view.setUint32(28, rate * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  word(36, "data");
  view.setUint32(40, samples.length * 2, true);
  samples.forEach((each, place) => view.setInt16(44 + place * 2, Math.max(-1, Math.min(1, each)) * 0x7fff, true));
  return new Uint8Array(view.buffer);
};

const decoded = async (blob) => {
  const context = new AudioContext();
  try {
    const sound = await context.decodeAudioData(await blob.arrayBuffer());
    const channels = Array.from({ length: sound.numberOfChannels }, (_, each) => sound.getChannelData(each));
    return toWav(channels[0].map((_, at) => channels.reduce((sum, each) => sum + each[at], 0) / channels.length), sound.sampleRate);
  } finally {
    context.close();
  }
};

// Browsers give a microphone to pages of this machine and to those that come encrypted, and to no others.
export const canRecord = () => Boolean(navigator.mediaDevices?.getUserMedia) && typeof MediaRecorder === "function";

const LOOK_MS = 500; // a recorder whose form has gone is ended by then: nobody could press its button any more

// `onSound(value)` is called with what was recorded.
export const makeRecorder = (onSound) => {
  const told = make("span", { className: "quiet", role: "status" });
  let recorder = null;
  const begin = async () => {
    told.textContent = "";
    let source;
    switching.disabled = true; // until somebody has answered: a second press would begin a second recording
    try {
      source = await navigator.mediaDevices.getUserMedia({ audio: true });
    } catch (error) {
      told.textContent = `no microphone: ${error.message}`;
      return;
    } finally {
      switching.disabled = false;
    }
    const pieces = [];
    recorder = new MediaRecorder(source);
    const looking = setInterval(() => {
      if (!switching.isConnected) recorder?.stop();
    }, LOOK_MS);
    recorder.addEventListener("dataavailable", (event) => pieces.push(event.data));
    recorder.addEventListener("stop", async () => {
      clearInterval(looking);
      source.getTracks().forEach((each) => each.stop());
      recorder = null;
      switching.textContent = "Record";
      try {
        onSound({ _type: "audio", mime_type: "audio/wav", display_name: "recorded.wav", data: toBase64(await decoded(new Blob(pieces))) });
        told.textContent = "";
      } catch (error) {
        told.textContent = `nothing was recorded: ${error.message}`;
      }
    });
    recorder.start();
    switching.textContent = "Stop recording";
    told.textContent = "listening…";
  };
  const switching = button("Record", () => (recorder ? recorder.stop() : begin()));
  return make("span", { className: "buttons" }, switching, told);
};
