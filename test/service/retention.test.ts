import { expect, it } from 'vitest';
import { Retention } from '../../src/service/retention.ts';
import { VirtualClock } from '../support/virtual-clock.ts';
import { Scene, second } from './scene.ts';
import { SimulatedProcess } from './simulated-process.ts';
import { imageName, simulatedStorage } from './simulated-storage.ts';

const minute = 60 * second;
const hour = 60 * minute;

/** An ended operation that is kept for an hour, and a process that sweeps. */
async function keptForAnHour() {
  const scene = await new Scene('once').start();
  const id = await scene.accept();
  await scene.clock.advance(second);
  const process = new SimulatedProcess(scene.clock);
  const { store, images } = simulatedStorage(scene.disk, process, () => false);
  const retention = new Retention({
    ...{ store, images, clock: process.clock, retentionMs: hour, imagesBytesMax: Infinity },
    ...{ owns: () => true, failed: () => undefined },
  });
  retention.start();
  return { scene, id, clock: scene.clock, isKept: () => scene.disk.records.has(id) };
}

it('an ended operation goes with its image after its time, and not before', async () => {
  const { scene, id, clock, isKept } = await keptForAnHour();
  const { image } = scene.record(id);
  await clock.advance(59 * minute);
  expect(isKept()).toBe(true);
  await clock.advance(2 * minute);
  expect(isKept()).toBe(false);
  expect(scene.disk.images.has(imageName(id, image!))).toBe(false);
});

it('nothing goes within an hour after the wall clock has jumped', async () => {
  const { clock, isKept } = await keptForAnHour();
  await clock.advance(minute);
  clock.stepWall(24 * hour);
  await clock.advance(50 * minute);
  expect(isKept()).toBe(true);
  // An operator has set it right again: it is not believed for another hour.
  clock.stepWall(-24 * hour);
  await clock.advance(59 * minute);
  expect(isKept()).toBe(true);
  await clock.advance(3 * minute);
  expect(isKept()).toBe(false);
});

it('a process that does not own the store sweeps nothing', async () => {
  const clock = new VirtualClock();
  const { store, images } = simulatedStorage(
    (await new Scene('once').start()).disk,
    new SimulatedProcess(clock),
    () => false,
  );
  const retention = new Retention({
    ...{ store, images, clock, retentionMs: 0, imagesBytesMax: 0 },
    ...{ owns: () => false, failed: () => undefined },
  });
  expect(await retention.sweep()).toBe(0);
});
