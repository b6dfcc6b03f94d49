import { codes } from './playground-code.js';
import { follow, Refused } from './playground-events.js';

const element = (id) => document.getElementById(id);
const form = element('request');
const fields = ['prompt', 'negativePrompt', 'aspectRatio', 'seed', 'model'];
const historyMax = 24;
let tab = 'curl';

/** The request body of the form, without empty fields. */
function bodyOfForm() {
  const entries = fields.map((name) => [name, element(name).value.trim()]);
  return Object.fromEntries(entries.filter(([, value]) => value !== ''));
}

function credential() {
  const key = element('key').value.trim();
  return key === '' ? {} : { Authorization: `Bearer ${key}` };
}

function showCode() {
  const context = { origin: location.origin, hasKey: element('key').value.trim() !== '' };
  element('code').textContent = codes[tab](bodyOfForm(), context);
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

async function createOperation(body) {
  const response = await fetch('/v1/images', {
    method: 'POST',
    headers: {
      ...credential(),
      'Content-Type': 'application/json',
      Accept: 'application/json',
      // With it a lost request can be sent again without paying twice.
      'Idempotency-Key': crypto.randomUUID(),
    },
    body: JSON.stringify(body),
  });
  const json = await response.json();
  if (!response.ok) throw new Refused(json);
  return json;
}

async function createImage() {
  const body = bodyOfForm();
  const startMs = performance.now();
  const seconds = () => ((performance.now() - startMs) / 1000).toFixed(1);
  const timer = setInterval(() => showStatus(`Creating the image: ${seconds()} s …`), 1_000);
  showStatus('Creating the image …');
  try {
    const operation = await createOperation(body);
    let last = operation;
    await follow(operation.id, {
      headers: credential(),
      onState: (state) => (last = state),
      onLost: () => showStatus('The connection was lost; reconnecting …'),
    });
    if (last.status !== 'succeeded')
      return showProblem({ detail: last.error?.message, ...last.error });
    const response = await fetch(`/operations/${last.id}/image?wait=30`, { headers: credential() });
    if (!response.ok) throw new Refused(await response.json());
    const image = {
      ...last.response,
      url: URL.createObjectURL(await response.blob()),
      prompt: body.prompt ?? '',
      seconds: seconds(),
      id: last.id,
    };
    await show(image);
    remember(image);
    showStatus(`Ready after ${image.seconds} s.`);
  } finally {
    clearInterval(timer);
  }
}

/** Shows an image. Resolves when it is visible. */
function show({ url, prompt, seed, width, height, seconds, mimeType, id }) {
  element('image').src = url;
  element('image').alt = prompt;
  element('image-seed').textContent = seed;
  element('image-size').textContent = width === undefined ? 'unknown' : `${width} × ${height}`;
  element('image-time').textContent = `${seconds} s`;
  element('download').href = url;
  element('download').download =
    `${id.slice(0, 16)}.${mimeType.replace('image/', '').replace('jpeg', 'jpg')}`;
  element('figure').hidden = false;
  return element('image').decode();
}

function remember(image) {
  const button = document.createElement('button');
  button.type = 'button';
  button.title = image.prompt;
  const thumbnail = document.createElement('img');
  thumbnail.src = image.url;
  thumbnail.alt = `${image.prompt}, seed ${image.seed}`;
  button.append(thumbnail);
  button.addEventListener('click', () => void show(image));
  const item = document.createElement('li');
  item.append(button);
  const list = element('history');
  list.prepend(item);
  if (list.children.length > historyMax) list.lastElementChild.remove();
}

async function submit() {
  const button = form.querySelector('[type=submit]');
  button.disabled = true;
  element('progress').hidden = false;
  clearViolations();
  try {
    await createImage();
  } catch (error) {
    showProblem(error instanceof Refused ? error.problem : { detail: error.message });
  } finally {
    button.disabled = false;
    element('progress').hidden = true;
  }
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  void submit();
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

const tabs = [...document.querySelectorAll('[role=tab]')];
function select(chosen) {
  tab = chosen.id.replace('tab-', '');
  for (const each of tabs) {
    each.setAttribute('aria-selected', String(each === chosen));
    each.tabIndex = each === chosen ? 0 : -1;
  }
  element('code').setAttribute('aria-labelledby', chosen.id);
  showCode();
}
for (const [index, each] of tabs.entries()) {
  each.addEventListener('click', () => select(each));
  each.addEventListener('keydown', ({ key }) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
    if (step === undefined) return;
    const next = tabs[(index + step + tabs.length) % tabs.length];
    next.focus();
    select(next);
  });
}

async function copy() {
  const button = element('copy');
  await navigator.clipboard.writeText(element('code').textContent);
  button.textContent = 'Copied';
  setTimeout(() => (button.textContent = 'Copy'), 1_500);
}

element('copy').addEventListener('click', () => void copy());

showCode();
