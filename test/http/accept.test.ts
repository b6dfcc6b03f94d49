import { describe, expect, it } from 'vitest';
import { acceptQuality, negotiate } from '../../src/http/accept.ts';

const makes = ['image/jpeg', 'image/png', 'image/webp'];
const json = { form: 'json', mediaType: undefined, acceptsJson: true };

describe('negotiate', () => {
  it.each([
    undefined,
    '',
    '  ',
    '*/*',
    'application/json',
    'APPLICATION/JSON',
    'application/*',
    'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
    'text/html;q=0.1, image/png',
    'application/json, image/jpeg',
    'image/*;q=0.5, application/json;q=0.5',
    'image/png;q=0, */*;q=0.1',
    '*',
    'text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2',
    'application/json; charset=utf-8',
    'application/json;q=banana, image/png;q=0.9',
    'application/problem+json',
    'application/problem+json, text/plain',
    'application/problem+json;q=0.1, application/json;q=0',
  ])('chooses JSON for Accept: %s', (accept) => {
    expect(negotiate(accept, makes)).toEqual(json);
  });

  it.each([
    ['image/*', undefined, false],
    ['image/jpeg', 'image/jpeg', false],
    ['image/png, image/jpeg;q=0.5', 'image/png', false],
    ['image/jpeg;q=0.5, image/webp;q=0.7', 'image/webp', false],
    ['image/avif, image/webp;q=0.9, image/*;q=0.1', 'image/webp', false],
    ['image/avif, image/*;q=0.1', undefined, false],
    ['image/jpeg;q=0, image/*', 'image/png', false],
    ['image/jpeg;q=0.1, image/png;q=0.2, image/*', 'image/webp', false],
    ['image/jpeg;q=0, image/*, */*;q=0.1', 'image/png', true],
    ['image/*, application/json;q=0.5', undefined, true],
    ['image/png, */*;q=0.1', 'image/png', true],
    ['image/png;q=banana', 'image/png', false],
    ['image/png;q=2', 'image/png', false],
    ['image/png;q=-1', 'image/png', false],
    ['image/png;q=', 'image/png', false],
    ['image/png; q = 0.5, application/json; q=.25', 'image/png', true],
    ['image/jpeg;q=0.50001, image/png;q=0.5', 'image/jpeg', false],
    ['application/problem+json, image/png', 'image/png', false],
  ])('chooses an image for Accept: %s', (accept, mediaType, acceptsJson) => {
    expect(negotiate(accept, makes)).toEqual({ form: 'image', mediaType, acceptsJson });
  });

  it.each([
    'text/plain',
    'image/gif',
    'image/*;q=0',
    'garbage',
    'image/png;q=0.000000',
    'application/problem+json;q=0',
    ',',
    '*/png',
  ])('refuses Accept: %s', (accept) => {
    expect(negotiate(accept, makes)).toBeUndefined();
  });

  it('takes any image type for an image that exists', () => {
    expect(negotiate('image/bmp', 'any')?.form).toBe('image');
    expect(negotiate('text/plain', 'any')).toBeUndefined();
  });
});

describe('acceptQuality', () => {
  it.each([
    [undefined, 1],
    ['*/*', 1],
    ['image/*;q=0.5', 0.5],
    ['image/png;q=0.2, image/*;q=0.5', 0.2],
    ['image/png;q=often', 1],
    ['image/png;q=0', 0],
    ['application/json', 0],
  ])('of image/png in %s is %s', (accept, quality) => {
    expect(acceptQuality(accept, 'image/png')).toBe(quality);
  });
});
