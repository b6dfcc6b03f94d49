/**
 * A preload for a gateway's process: its wall clock steps when the parent says so.
 * Timers and monotonic time stay as they are, as on a machine whose clock is set.
 */
const RealDate = Date;
let aheadMs = 0;

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [RealDate.now() + aheadMs] : args, newTarget),
  apply: () => new RealDate(RealDate.now() + aheadMs).toString(),
  get: (target, name, receiver) =>
    name === 'now' ? () => RealDate.now() + aheadMs : Reflect.get(target, name, receiver),
});

process.on('message', ({ stepMs }) => {
  aheadMs += stepMs;
  process.send?.({ aheadMs });
});
// The parent's channel must not keep the process alive.
process.channel?.unref();
