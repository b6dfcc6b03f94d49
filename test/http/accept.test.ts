import { describe, expect, it } from 'vitest';
import { acceptsImages, negotiate } from '../../src/http/accept.ts';

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
    ['image/*, application/json;q=0.5', undefined, true],
    ['image/png, */*;q=0.1', 'image/png', true],
  ])('chooses an image for Accept: %s', (accept, mediaType, acceptsJson) => {
    expect(negotiate(accept, makes)).toEqual({ form: 'image', mediaType, acceptsJson });
  });

  it.each([
    'text/plain',
    'image/gif',
    'image/*;q=0',
    'garbage',
    'image/png;q=banana',
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

describe('acceptsImages', () => {
  it.each([undefined, '*/*', 'image/png', 'text/html,*/*;q=0.8'])('is true for %s', (accept) => {
    expect(acceptsImages(accept)).toBe(true);
  });

  it.each(['application/json', 'image/*;q=0'])('is false for %s', (accept) => {
    expect(acceptsImages(accept)).toBe(false);
  });
});
