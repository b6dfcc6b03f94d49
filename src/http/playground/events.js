// The events of an operation, read with fetch, because an EventSource can't send a credential.
import { Lost, Refused } from './playground-requests.js';

const reconnectMs = 2_000;
const attemptsMax = 30;
/** The gateway writes something every 15 s. */
const silenceMs = 40_000;

/**
 * Calls back with each state of an operation, until the last. A broken
 * connection continues after the last event that arrived.
 */
export async function follow(id, { headers, onState, onLost }) {
  let lastEventId;
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    try {
      const silence = silenceLimit();
      const response = await fetch(`/operations/${id}/events`, {
        headers: { ...headers, ...(lastEventId !== undefined && { 'Last-Event-ID': lastEventId }) },
        signal: silence.signal,
      });
      if (response.status === 204) return;
      if (!response.ok) throw new Refused(await response.json());
      for await (const event of eventsOf(response.body, silence)) {
        lastEventId = event.id;
        attempt = 0;
        onState(event.data);
        if (event.data.done) return;
      }
    } catch (error) {
      if (error instanceof Refused && error.problem.retryable !== true) throw error;
      onLost();
    }
    await new Promise((resolve) => setTimeout(resolve, reconnectMs));
  }
  throw new Lost('The connection to the gateway is lost.');
}

/** Aborts when nothing has come for too long. */
function silenceLimit() {
  const controller = new AbortController();
  let timer;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => controller.abort(), silenceMs);
  };
  heard();
  return { signal: controller.signal, heard, end: () => clearTimeout(timer) };
}

async function* eventsOf(stream, silence) {
  let text = '';
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      silence.heard();
      if (done) return;
      text += value;
      const blocks = text.split('\n\n');
      text = blocks.pop();
      for (const block of blocks) {
        const field = (name) => block.split('\n').find((line) => line.startsWith(`${name}: `));
        const data = field('data');
        if (data !== undefined)
          yield { id: field('id')?.slice(4), data: JSON.parse(data.slice(6)) };
      }
    }
  } finally {
    silence.end();
  }
}
