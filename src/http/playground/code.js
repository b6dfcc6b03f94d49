// The request of the form as code that runs without changes.

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
export const codes = { curl, fetch: fetchCode, openai };
