import { openLocalRenderer } from '../../src/renderers/local/local-renderer.ts';
import { dialects } from '../../src/renderers/openai/dialects.ts';
import { HttpBackend } from './http-backend.ts';
import { rendererFor } from './openai/renderer-under-test.ts';
import { rendererContract } from './renderer-contract.ts';

rendererContract('local', async () => ({
  renderer: openLocalRenderer({
    ...{ delayMs: 0, promptCharactersMax: 500, models: ['yandex-art'], drawSeed: () => 42n },
  }),
  close: async () => undefined,
}));

for (const { name } of Object.values(dialects)) {
  for (const spend of ['free', 'once'] as const) {
    rendererContract(`openai, ${name}, ${spend}`, async () => {
      const backend = await HttpBackend.listen();
      return {
        renderer: rendererFor(backend.url, { dialect: name, spend }),
        asked: () => backend.posts.length,
        close: () => backend.close(),
      };
    });
  }
}
