import { describe, expect, it } from 'vitest';
import { spendFindings, spendReportFrom, type SpendReport } from './spend-audit.ts';

describe('the spend audit', () => {
  it.each([
    [['accepted'], 1],
    [['not_started'], 0],
    [['unknown'], 1],
    [['unknown'], 0],
    [['unstated'], 1],
    [['none'], 1],
    [['not_started', 'none', 'accepted'], 1],
    [['not_started', 'unknown'], 1],
  ] as [SpendReport[], number][])(
    'finds nothing in %j, billed %i times',
    (reports, billedTimes) => {
      expect(spendFindings({ reports, billedTimes })).toEqual([]);
    },
  );

  it.each([
    [['accepted'], 0, 'reported accepted, and never billed'],
    [['accepted'], 2, 'billed 2 times'],
    [['not_started'], 1, 'reported not_started, and billed'],
    [['not_started', 'not_started'], 1, 'reported not_started, and billed'],
    [['unknown'], 2, 'billed 2 times'],
    [['none', 'accepted'], 0, 'reported accepted, and never billed'],
  ] as [SpendReport[], number, string][])(
    'finds the fault in %j, billed %i times',
    (reports, billedTimes, finding) => {
      expect(spendFindings({ reports, billedTimes })).toEqual([finding]);
    },
  );

  it('finds that one image has two operations', () => {
    const create = { reports: ['accepted', 'accepted'], billedTimes: 1 } as const;
    expect(spendFindings({ ...create, operationIds: ['op_1', 'op_1'] })).toEqual([]);
    expect(spendFindings({ ...create, operationIds: ['op_1', 'op_2'] })).toEqual([
      'has 2 operations',
    ]);
  });
});

describe('a response', () => {
  it.each([
    [202, { id: 'op_1' }, 'accepted'],
    [503, { code: 'draining', outcome: 'not_started' }, 'not_started'],
    [502, { outcome: 'unknown' }, 'unknown'],
    [503, { error: { code: 'draining' } }, 'not_started'],
    [502, { error: { outcome: 'unknown' } }, 'unknown'],
    [502, { code: 13, message: 'x', details: [] }, 'unstated'],
    [502, { code: 13, details: [{}, { metadata: { outcome: 'unknown' } }] }, 'unknown'],
    [502, '<html>', 'unstated'],
  ])('of %i %j reports %s', (httpStatus, body, report) => {
    expect(spendReportFrom(httpStatus, body)).toBe(report);
  });
});
