import { randomInt } from 'node:crypto';

const characters = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** Twenty letters and digits that begin like the vendor's ids. */
export function newOperationId(): string {
  const drawn = Array.from({ length: 17 }, () => characters[randomInt(characters.length)]);
  return `fbv${drawn.join('')}`;
}
