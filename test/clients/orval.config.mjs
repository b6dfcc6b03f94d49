export default {
  gateway: {
    input: '../../openapi/openapi-3.0.json',
    output: {
      target: 'generated/orval.ts',
      client: 'fetch',
      mode: 'single',
      override: { mutator: { path: './src/orval-fetch.ts', name: 'gatewayFetch' } },
    },
  },
};
