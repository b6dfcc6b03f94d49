// What this page remembers across a reload: requests and images in the
// session of its tab, and the operation that it shows in its URL.

/** Where the browser keeps nothing for this page, until it is closed. */
const fallback = new Map();

function read(name, otherwise) {
  try {
    return JSON.parse(sessionStorage.getItem(name)) ?? otherwise;
  } catch {
    return fallback.get(name) ?? otherwise;
  }
}

function write(name, value) {
  fallback.set(name, value);
  try {
    sessionStorage.setItem(name, JSON.stringify(value));
  } catch {
    // The fallback has it.
  }
}

const requestsMax = 20;
const imagesMax = 24;
const idPattern = /^[A-Za-z0-9_-]{1,256}$/;

/** A new key. `crypto.randomUUID` is missing on pages without TLS. */
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * The idempotency key of a request: the same one until the request is answered,
 * so that sending it again never pays twice.
 */
export function keyOf(body) {
  const text = JSON.stringify(body);
  const requests = read('requests', []);
  const known = requests.find((request) => request.text === text);
  const key = known?.key ?? newKey();
  const others = requests.filter((request) => request !== known);
  write('requests', [{ text, key }, ...others].slice(0, requestsMax));
  return key;
}

/** To be called when the gateway has said what became of the request: the next one like it is a new one. */
export function forgetKey(body) {
  const text = JSON.stringify(body);
  write(
    'requests',
    read('requests', []).filter((request) => request.text !== text),
  );
}

/** The request under way, to be sent again after a reload; undefined when there is none. */
export function requestUnderWay() {
  return read('underWay', undefined)?.body;
}

export function setRequestUnderWay(body) {
  write('underWay', body === undefined ? null : { body });
}

/** Id of the operation that this page shows; undefined when there is none. */
export function shownOperation() {
  const id = new URLSearchParams(location.hash.slice(1)).get('operation');
  return id !== null && idPattern.test(id) ? id : undefined;
}

/** @param body of the request that created it, where it is known. */
export function setShownOperation(id, body) {
  const url = new URL(location.href);
  url.hash = id === undefined ? '' : `operation=${id}`;
  history.replaceState(null, '', url);
  if (body !== undefined)
    write('bodies', [{ id, body }, ...read('bodies', [])].slice(0, requestsMax));
}

/** The request that created an operation, if this tab sent it. */
export function bodyOfOperation(id) {
  return read('bodies', []).find((each) => each.id === id)?.body;
}

/** Images of this tab, the newest first. */
export function images() {
  return read('images', []);
}

export function addImage(image) {
  const others = images().filter(({ id }) => id !== image.id);
  write('images', [image, ...others].slice(0, imagesMax));
}
