// The panel that shows the request of the form as code that runs without changes.

const shellQuoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** A JavaScript object literal, one field a line. */
function literal(value, indent) {
  const lines = Object.entries(value).map(
    ([name, field]) => `${indent}  ${name}: ${JSON.stringify(field)},`,
  );
  return `{\n${lines.join('\n')}\n${indent}}`;
}

function curl(body, { origin, hasKey }) {
  const auth = hasKey ? ` -H "Authorization: Bearer $KEY"` : '';
  const json = shellQuoted(JSON.stringify(body));
  return `curl -f -H 'Accept: image/*'${auth} --json ${json} ${origin}/v1/images -o image.jpg`;
}

function fetchCode(body, { origin, hasKey }) {
  const auth = hasKey ? '\n    Authorization: `Bearer ${KEY}`,' : '';
  return `const response = await fetch('${origin}/v1/images', {
  method: 'POST',
  headers: {
    'Content-Type': 'application/json',
    Accept: 'image/*',${auth}
  },
  body: JSON.stringify(${literal(body, '  ')}),
});
const image = await response.blob();`;
}

function openai({ negativePrompt, aspectRatio, ...body }, { origin, hasKey }) {
  const request = {
    ...body,
    ...(negativePrompt !== undefined && { negative_prompt: negativePrompt }),
    ...(aspectRatio !== undefined && { aspect_ratio: aspectRatio }),
  };
  return `import OpenAI from 'openai';

const client = new OpenAI({ baseURL: '${origin}/v1', apiKey: ${hasKey ? 'KEY' : "'none'"} });
const { data } = await client.images.generate(${literal(request, '')});
const image = Buffer.from(data[0].b64_json, 'base64');`;
}

/** The code generators by the name of their tab. */
const codes = { curl, fetch: fetchCode, openai };

const element = (id) => document.getElementById(id);
let tab = 'curl';

/** @param current gives the request of the form. @returns A function that shows the code of the form again. */
export function openCodePanel(current) {
  const tabs = [...document.querySelectorAll('[role=tab]')];
  const showCode = () => {
    const { body, context } = current();
    element('code').textContent = codes[tab](body, context);
  };
  const select = (chosen) => {
    tab = chosen.id.replace('tab-', '');
    for (const each of tabs) {
      each.setAttribute('aria-selected', String(each === chosen));
      each.tabIndex = each === chosen ? 0 : -1;
    }
    element('code').setAttribute('aria-labelledby', chosen.id);
    showCode();
  };
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
  element('copy').addEventListener('click', () => void copy());
  return showCode;
}

async function copy() {
  const button = element('copy');
  button.textContent = (await copyText(element('code'))) ? 'Copied' : 'Press Ctrl+C';
  setTimeout(() => (button.textContent = 'Copy'), 1_500);
}

/** Copies the text of an element; where the browser does not allow it, the text is selected at least. */
async function copyText(source) {
  try {
    // Missing on pages without TLS.
    await navigator.clipboard.writeText(source.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(source);
    return document.execCommand('copy');
  }
}
