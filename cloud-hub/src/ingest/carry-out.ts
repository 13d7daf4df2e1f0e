/** Orders of an operator, each in one transaction of the hub's writer. An answer says what was done; what cannot be done throws. */

import type { Order } from '../store/orders.ts';
import type { IngestContext } from './context.ts';
import { dropQuarantined, retryQuarantined } from './retry.ts';
import { deleteSeriesRange, mergeSeries, renameSeries } from './series-orders.ts';

/** Throws `not_found`, `usage`. */
export function carryOut(context: IngestContext, order: Order): string {
  switch (order.kind) {
    case 'quarantine_retry':
      return retryQuarantined(context, order.id);
    case 'quarantine_drop':
      return dropQuarantined(context, order.id);
    case 'series_rename':
      return renameSeries(context, order.series, order.names);
    case 'series_merge':
      return mergeSeries(context, order.series, order.into);
    case 'series_delete':
      return deleteSeriesRange(context, order.series, order.fromMs, order.toMs);
  }
}
