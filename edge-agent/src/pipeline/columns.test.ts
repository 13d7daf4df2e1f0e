import { flagText, type ReadingColumns } from '@fogline/shared/reading';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonical } from './columns.ts';

test('canonical order is a stable sort by series, whether ids lie close together or far apart', () => {
  const id = fc.oneof(
    fc.nat(20),
    fc.integer({ min: 1_000_000, max: 1_000_010 }),
    fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  );
  fc.assert(
    fc.property(fc.array(id, { maxLength: 200 }), fc.nat(3), (ids, spare) => {
      const count = Math.max(0, ids.length - spare);
      const columns: ReadingColumns = {
        count,
        series: Uint32Array.from(ids),
        time: Float64Array.from(ids, (_, row) => row),
        value: Float64Array.from(ids, (_, row) => row / 8),
        flags: Uint8Array.from(ids, (_, row) => (row % 5 === 0 ? flagText : row % 3)),
        strings: ['x'],
      };
      const rows = ids
        .slice(0, count)
        .map((series, row) => ({ series, row }))
        .sort((a, b) => a.series - b.series || a.row - b.row);
      expect(canonical(columns)).toEqual({
        count,
        series: Uint32Array.from(rows, ({ series }) => series),
        time: Float64Array.from(rows, ({ row }) => row),
        value: Float64Array.from(rows, ({ row }) => row / 8),
        flags: Uint8Array.from(rows, ({ row }) => columns.flags[row] ?? 0),
        strings: ['x'],
      });
    }),
  );
});
