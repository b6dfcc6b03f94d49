import { describe, expect, it } from 'vitest';
import { backendWordsFromBody, withoutParts } from '../../src/renderers/backend-words.ts';
import { isModerated } from '../../src/renderers/moderation.ts';
import { commandInPrompt } from '../../src/renderers/prompt-syntax.ts';

const plain = { mode: 'plain', mayObey: true } as const;

describe('a command in a prompt', () => {
  it.each([
    'a cat <sd_cpp_extra_args>{"width":64}</sd_cpp_extra_args>',
    'a cat <SD_CPP_Extra_Args>{}',
    'a cat <ｓｄ_ｃｐｐ_extra_args>',
    'a cat <sd_cpp\u200b_extra_args>',
    // Characters that are not shown, though of other kinds: variation selector, joiner, filler.
    'a cat <sd_cpp\ufe0f_extra_args>',
    'a cat <sd_cpp\u034f_extra_args>',
    'a cat <sd\u3164_cpp_extra\u180b_args>',
    '</sd_cpp_extra_args>',
  ])('is refused for every server and every operator: %j', (text) => {
    expect(commandInPrompt(text, plain)).toBe('sd_cpp_extra_args');
    expect(commandInPrompt(text, { mode: 'allow', mayObey: false })).toBe('sd_cpp_extra_args');
  });

  it.each([
    ['a cat | a dog', 'a pipe sign (|)'],
    ['a cat ｜ a dog', 'a pipe sign (|)'],
    ['<lora:../../etc/passwd:1>', '<lora:…> with a path'],
    ['<LoRA:a\\b:1>', '<lora:…> with a path'],
    ['< lora :x/y:0.5>', '<lora:…> with a path'],
    ['<hypernet:..:1>', '<lora:…> with a path'],
    ['a __colour__ cat', '__wildcard__'],
    ['__animals/cats*__', '__wildcard__'],
    ['embedding:secret', 'embedding:'],
    ['(Embedding : bad-hands)', 'embedding:'],
  ])('is refused for a server that may obey, unless the operator allows it: %j', (text, name) => {
    expect(commandInPrompt(text, plain)).toBe(name);
    expect(commandInPrompt(text, { mode: 'allow', mayObey: true })).toBeUndefined();
    expect(commandInPrompt(text, { mode: 'plain', mayObey: false })).toBeUndefined();
  });

  it.each([
    'a cat <lora:detail:0.8>',
    'a cat, embeddings of words',
    'snake_case and __ dunder __',
    '____',
    'lora: a name',
    'a/b \\ c .. d',
    'sd cpp extra args',
    'кошка на подоконнике – 100 %',
  ])('is not what a text only looks like: %j', (text) => {
    expect(commandInPrompt(text, plain)).toBeUndefined();
  });
});

const words = (body: unknown) => backendWordsFromBody(Buffer.from(JSON.stringify(body)));

describe('the words of a backend', () => {
  it.each([
    [{ error: { code: 'c', type: 't', message: 'm' } }, { code: 'c', type: 't', message: 'm' }],
    [{ error: { code: 400, type: null, message: 'm' } }, { code: '400', type: '', message: 'm' }],
    [{ error: 'text' }, { code: '', message: 'text' }],
    [{ detail: 'text' }, { message: 'text' }],
    [{ detail: [{ msg: 'one' }, { msg: 'two' }, 7] }, { message: 'one; two; ' }],
    [{ detail: { error: 'text' } }, { message: 'text' }],
    [
      { code: 'c', message: 'text' },
      { code: 'c', message: 'text' },
    ],
    [{ error: { inner_error: { code: 'i' } } }, { innerCode: 'i' }],
    [{ error: { innererror: { code: 'i' } } }, { innerCode: 'i' }],
    [[1], { code: '', message: '' }],
    ['text', { code: '', message: '' }],
    [{ error: { message: { deep: 1 } } }, { message: '' }],
  ])('are read from %j', (body, expected) => {
    expect(words(body)).toMatchObject(expected);
  });

  it('are none where the body is no JSON', () => {
    expect(backendWordsFromBody(Buffer.from('<html>'))).toStrictEqual({
      ...{ code: '', type: '', innerCode: '', message: '' },
    });
  });

  it('lose the prompt, whole and in part', () => {
    const prompt = 'a photo of my secret neighbour in the garden';
    expect(withoutParts(`bad prompt: '${prompt}'`, [prompt])).toBe("bad prompt: '…'");
    expect(withoutParts('cut: "secret neighbour in th…', [prompt])).toBe('cut: "……');
    expect(withoutParts('size is wrong', [prompt])).toBe('size is wrong');
    expect(withoutParts('no cat here', ['cat'])).toBe('no … here');
    expect(withoutParts('a b', ['', 'a'])).toBe('a b');
  });
});

describe('a moderated prompt', () => {
  const openAi = {
    error: {
      code: 'moderation_blocked',
      type: 'image_generation_user_error',
      message: 'Your request was rejected by the safety system. safety_violations=[violence].',
    },
  };
  it.each([
    [400, openAi],
    // LiteLLM turns the code into the status.
    [400, { error: { ...openAi.error, code: '400' } }],
    [400, { error: { code: 'contentFilter', message: '' } }],
    [400, { error: { code: 'content_policy_violation' } }],
    [400, { error: { code: 'x', inner_error: { code: 'ResponsibleAIPolicyViolation' } } }],
    [422, { error: { message: 'NSFW content detected' } }],
    [403, { error: 'it violates our content policy' }],
    [400, { message: 'it may violate the terms of use' }],
  ])('is known at %d by %j', (status, body) => {
    expect(isModerated(status, words(body))).toBe(true);
  });

  it.each([
    [500, openAi],
    [400, { error: { type: 'image_generation_user_error', message: 'size is not supported' } }],
    [400, { error: { message: 'n must be 1' } }],
  ])('is not meant at %d by %j', (status, body) => {
    expect(isModerated(status, words(body))).toBe(false);
  });
});
