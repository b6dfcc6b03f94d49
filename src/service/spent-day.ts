/** The calendar day in UTC by which a backend's images are counted: `2026-11-28`. */
export function spentDay(nowMs: number): string {
  return new Date(nowMs).toISOString().slice(0, dayCharacters);
}

/** Milliseconds until the next day begins. */
export function msToNextDay(nowMs: number): number {
  return dayMs - (nowMs % dayMs);
}

/** The day that many days earlier. */
export function dayBefore(day: string, days: number): string {
  return spentDay(Date.parse(day) - days * dayMs);
}

const dayMs = 86_400_000;
const dayCharacters = 10;
