import { startEmulator } from './emulator.ts';

/** The emulator as a process: settings from the environment, one line when it listens. */
const integers = {
  EMULATOR_PORT: 50_051,
  EMULATOR_LATENCY_MS: 3_000,
  EMULATOR_RETENTION_MS: 259_200_000,
  EMULATOR_PROMPT_CHARACTERS_MAX: 500,
  EMULATOR_GENERATIONS_PER_MINUTE_MAX: 500,
  EMULATOR_GENERATIONS_PER_DAY_MAX: 5_000,
  EMULATOR_RESULT_READS_PER_SECOND_MAX: 50,
};

function settingsFromEnvironment(environment: NodeJS.ProcessEnv) {
  const mistakes: string[] = [];
  const values = { ...integers };
  for (const name of Object.keys(integers) as (keyof typeof integers)[]) {
    const text = environment[name];
    if (text === undefined || text === '') continue;
    if (/^\d{1,12}$/.test(text)) values[name] = Number(text);
    else mistakes.push(`${name}: must be a whole number`);
  }
  if (mistakes.length > 0)
    throw new Error(['The configuration is wrong:', ...mistakes].join('\n  '));
  return values;
}

async function main(): Promise<void> {
  const settings = settingsFromEnvironment(process.env);
  const emulator = await startEmulator({
    host: process.env['HOST'] ?? '127.0.0.1',
    port: settings.EMULATOR_PORT,
    latencyMs: settings.EMULATOR_LATENCY_MS,
    retentionMs: settings.EMULATOR_RETENTION_MS,
    promptCharactersMax: settings.EMULATOR_PROMPT_CHARACTERS_MAX,
    generationsPerMinuteMax: settings.EMULATOR_GENERATIONS_PER_MINUTE_MAX,
    generationsPerDayMax: settings.EMULATOR_GENERATIONS_PER_DAY_MAX,
    resultReadsPerSecondMax: settings.EMULATOR_RESULT_READS_PER_SECOND_MAX,
  });
  process.stdout.write(`${JSON.stringify({ msg: 'listening', address: emulator.address })}\n`);
  const stop = () => {
    void emulator.close().then(() => process.exit(0));
  };
  process.once('SIGTERM', stop).once('SIGINT', stop);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
