import { describe, expect, it } from 'vitest';
import { settingsFromEnvironment } from '../../src/emulator/settings.ts';

describe('the settings of the process', () => {
  it('have defaults', () => {
    const { options, tlsFiles } = settingsFromEnvironment({});
    expect(options).toMatchObject({ host: '127.0.0.1', port: 50_051, latencyMs: 3_000 });
    expect(options.credentials).toBeUndefined();
    expect(tlsFiles).toBeUndefined();
  });

  it('come from the environment', () => {
    const { options, tlsFiles } = settingsFromEnvironment({
      HOST: '0.0.0.0',
      EMULATOR_PORT: '0',
      EMULATOR_LATENCY_SPREAD_RATIO: '0.5',
      EMULATOR_OPERATION_TIMES: 'true',
      EMULATOR_API_KEYS: 'one, two,',
      EMULATOR_MODELS: 'yandex-art,other',
      EMULATOR_TLS_CERT_FILE: 'cert.pem',
      EMULATOR_TLS_KEY_FILE: 'key.pem',
    });
    expect(options).toMatchObject({
      host: '0.0.0.0',
      port: 0,
      latencySpreadRatio: 0.5,
      operationTimes: true,
      credentials: { apiKeys: ['one', 'two'], iamTokens: [] },
      models: ['yandex-art', 'other'],
    });
    expect(tlsFiles).toEqual({ cert: 'cert.pem', key: 'key.pem' });
  });

  it('are all reported when they are wrong, by name and without their values', () => {
    const environment = {
      EMULATOR_PORT: '65536',
      EMULATOR_LATENCY_MS: '-1',
      EMULATOR_LATENCY_SPREAD_RATIO: '1.5',
      EMULATOR_OPERATION_TIMES: 'maybe',
      EMULATOR_TLS_KEY_FILE: 'secret-key.pem',
    };
    const wrong = () => settingsFromEnvironment(environment);
    for (const name of Object.keys(environment)) expect(wrong).toThrow(name);
    for (const value of ['65536', 'maybe', 'secret-key']) expect(wrong).not.toThrow(value);
  });
});
