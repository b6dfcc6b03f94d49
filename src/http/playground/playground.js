import { openCodePanel } from './playground-code.js';
import { follow } from './playground-events.js';
import * as memory from './playground-memory.js';
import { createOperation, loadImage, Lost, Refused } from './playground-requests.js';

const element = (id) => document.getElementById(id);
const form = element('request');
const fields = ['prompt', 'negativePrompt', 'aspectRatio', 'seed', 'model'];
const historyMax = 24;
/** Object URLs of the images that were loaded, by operation. */
const loaded = new Map();
const showCode = openCodePanel(() => ({
  body: bodyOfForm(),
  context: { origin: location.origin, hasKey: element('key').value.trim() !== '' },
}));

/** The request body of the form, without empty fields. */
function bodyOfForm() {
  const entries = fields.map((name) => [name, element(name).value.trim()]);
  return Object.fromEntries(entries.filter(([, value]) => value !== ''));
}

function fillForm(body) {
  for (const name of fields) element(name).value = body[name] ?? '';
  showCode();
}

function credential() {
  const key = element('key').value.trim();
  return key === '' ? {} : { Authorization: `Bearer ${key}` };
}

function showStatus(text) {
  element('status').textContent = text;
}

function clearViolations() {
  element('problem').textContent = '';
  for (const name of fields) {
    element(name).removeAttribute('aria-invalid');
    element(`${name}-violation`).textContent = '';
  }
}

/** Shows each violation at its field, and everything else below the form. */
function showProblem(problem) {
  const placed = (problem.errors ?? []).filter(({ pointer }) => {
    const name = pointer?.slice(2);
    return fields.includes(name);
  });
  for (const { pointer, detail } of placed) {
    const name = pointer.slice(2);
    element(name).setAttribute('aria-invalid', 'true');
    element(`${name}-violation`).textContent = detail;
  }
  const [first] = placed;
  if (first !== undefined) element(first.pointer.slice(2)).focus();
  if (problem.status === 401) element('access').open = true;
  const money = { not_started: 'Nothing was spent.', unknown: 'An image may have been paid for.' };
  const detail = problem.detail ?? problem.message ?? problem.title ?? 'The request failed.';
  element('problem').textContent =
    `${detail}${/[.!?]$/.test(detail) ? '' : '.'} ${money[problem.outcome] ?? ''}`;
  showStatus('No image.');
}

/** Shows where the image of an operation is, before it is there and whatever happens to this page. */
function showOperation({ id, urls }) {
  element('operation-id').textContent = id;
  const link = new URL(urls.image);
  link.searchParams.set('wait', '60');
  element('operation-link').href = link;
  element('operation').hidden = false;
}

/** Follows an operation to its end and shows its image. */
async function finish(operation, body) {
  const context = {
    headers: credential(),
    onLost: () => showStatus('Connection lost; reconnecting …'),
  };
  let last = operation;
  const startMs = Date.parse(operation.createdAt) || Date.now();
  const timer = setInterval(() => {
    showStatus(`Creating the image: ${((Date.now() - startMs) / 1000).toFixed(0)} s …`);
  }, 1_000);
  try {
    await follow(operation.id, { ...context, onState: (state) => (last = state) });
    // Reading it again would show the same failure.
    if (last.status !== 'succeeded') {
      throw new Refused({ ...last.error, detail: last.error?.message, retryable: false });
    }
    const image = {
      ...last.response,
      id: last.id,
      prompt: body?.prompt ?? '',
      seconds: ((Date.parse(last.modifiedAt) - Date.parse(last.createdAt)) / 1000).toFixed(1),
    };
    // A reload of this page shows it even if the bytes don't come now.
    memory.addImage(image);
    await show(image, context);
    showHistory();
    showStatus(`Ready after ${image.seconds} s.`);
  } finally {
    clearInterval(timer);
  }
}

/** The image as a URL for this page; loaded once. */
async function urlOf({ id }, context) {
  const known = loaded.get(id);
  if (known !== undefined) return known;
  const url = URL.createObjectURL(await loadImage(id, context));
  loaded.set(id, url);
  return url;
}

/** Shows an image. Resolves when it is visible. */
async function show(image, context) {
  const { prompt, width, height, seconds, mimeType, id } = image;
  const url = await urlOf(image, context);
  element('image').src = url;
  element('image').alt = prompt;
  element('image-seed').textContent = seedText(image);
  element('image-size').textContent = width === undefined ? 'unknown' : `${width} × ${height}`;
  element('image-time').textContent = `${seconds} s`;
  element('download').href = url;
  element('download').download =
    `${id.slice(0, 16)}.${mimeType.replace('image/', '').replace('jpeg', 'jpg')}`;
  element('figure').hidden = false;
  await element('image').decode();
}

/** The seed of an image; none where the model takes no seeds. */
function seedText({ seed, seedApplied }) {
  return seedApplied === false ? 'none' : seed;
}

/** Images of this tab. One that is not loaded yet shows its prompt, and is loaded by a click. */
function showHistory() {
  const items = memory.images().map((image) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.title = image.prompt;
    const url = loaded.get(image.id);
    if (url === undefined) {
      button.textContent = image.prompt.slice(0, 24) || 'Image';
      button.className = 'unloaded';
    } else {
      const thumbnail = document.createElement('img');
      thumbnail.src = url;
      thumbnail.alt = `${image.prompt}, seed ${seedText(image)}`;
      button.append(thumbnail);
    }
    button.addEventListener('click', () => void takeUp(image.id));
    const item = document.createElement('li');
    item.append(button);
    return item;
  });
  element('history').replaceChildren(...items.slice(0, historyMax));
}

/** Creates the image of a request, which may be one that was sent before and not answered. */
async function create(body) {
  const operation = await run(
    async () => {
      memory.setShownOperation(undefined);
      memory.setRequestUnderWay(body);
      showStatus('Creating the image …');
      const onLost = () => showStatus('The response was lost; sending the same request again …');
      try {
        const created = await createOperation(body, { headers: credential(), onLost });
        memory.setShownOperation(created.id, body);
        memory.setRequestUnderWay(undefined);
        return created;
      } catch (error) {
        // Lost, or not looked at for want of a credential: a reload sends it again.
        const isUnderWay = error instanceof Lost || error.problem?.status === 401;
        if (!isUnderWay) memory.setRequestUnderWay(undefined);
        throw error;
      }
    },
    () => void create(body),
  );
  if (operation !== undefined) await watch(operation, body);
}

/** Shows an operation that is running or done: after a reload, or of the history. */
async function takeUp(id) {
  const operation = await run(
    async () => {
      memory.setShownOperation(id);
      const response = await fetch(`/operations/${id}`, { headers: credential() }).catch(() => {
        throw new Lost('No response came from the gateway.');
      });
      if (response.ok) return response.json();
      if (response.status === 404 || response.status === 410) memory.setShownOperation(undefined);
      throw new Refused(await response.json());
    },
    () => void takeUp(id),
  );
  if (operation !== undefined) await watch(operation, memory.bodyOfOperation(id));
}

function watch(operation, body) {
  return run(
    async () => {
      showOperation(operation);
      await finish(operation, body);
    },
    () => void takeUp(operation.id),
  );
}

/**
 * Does one step, and shows what went wrong with it.
 *
 * @param again what the button "Try again" does, where trying again makes sense.
 */
async function run(work, again) {
  const button = form.querySelector('[type=submit]');
  button.disabled = true;
  element('retry').hidden = true;
  element('operation').hidden = true;
  element('figure').hidden = true;
  element('progress').hidden = false;
  clearViolations();
  try {
    return await work();
  } catch (error) {
    const isFinal = error instanceof Refused && error.problem.retryable !== true;
    const needsKey = error instanceof Refused && error.problem.status === 401;
    showProblem(error instanceof Refused ? error.problem : { detail: error.message });
    if (isFinal && !needsKey) return;
    element('retry').hidden = false;
    element('retry').onclick = again;
    if (error instanceof Lost) showStatus('Trying again is safe: nothing is paid for twice.');
  } finally {
    button.disabled = false;
    element('progress').hidden = true;
  }
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  void create(bodyOfForm());
});

form.addEventListener('input', showCode);

/** Fills the list of models. Only when the field is used, because it may need a key. */
async function offerModels() {
  if (element('models').children.length > 0) return;
  const response = await fetch('/v1/models', { headers: credential() }).catch(() => undefined);
  if (response?.ok !== true) return;
  const { data } = await response.json();
  element('models').replaceChildren(...data.map(({ id }) => new Option(id)));
}

element('model').addEventListener('focus', () => void offerModels());

/** Takes up what this tab was doing before a reload, or what its URL names. */
function start() {
  showHistory();
  const body = memory.requestUnderWay();
  if (body !== undefined) {
    fillForm(body);
    return void create(body);
  }
  const id = memory.shownOperation();
  if (id === undefined) return;
  const known = memory.bodyOfOperation(id);
  if (known !== undefined) fillForm(known);
  void takeUp(id);
}

showCode();
start();
