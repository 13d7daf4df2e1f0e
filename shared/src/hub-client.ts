/**
 * The hub's API for programs: what may be asked and what comes back are types, and every answer is checked against the shape that the
 * hub's own documentation is made of. Nothing is retried.
 */
import type { z } from 'zod';
import { FoglineError } from './errors.ts';
import { getJson } from './get-json.ts';
import { answers, dataColumns } from './hub-api/answers.ts';
import type { HubParams } from './hub-api/params.ts';

export interface HubAddress {
  /** `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly token?: string;
}

/** Data comes in columns. */
const shapes = { ...answers, data: dataColumns };

type ListName = keyof HubParams & keyof typeof shapes;
type HubAnswer<Name extends ListName> = z.output<(typeof shapes)[Name]>;

export class HubClient {
  readonly #hub: HubAddress;

  constructor(hub: HubAddress) {
    this.#hub = hub;
  }

  /** One page. Throws `unavailable`, `unauthorized`, and `message_invalid` for what the hub refuses and for nonsense. */
  async get<Name extends ListName>(name: Name, params: HubParams[Name] = {}): Promise<HubAnswer<Name>> {
    const url = new URL(`/api/v1/${name}`, this.#hub.url);
    for (const [key, given] of Object.entries(params)) {
      for (const value of [given].flat()) url.searchParams.append(key, String(value));
    }
    const answer = shapes[name].safeParse(await getJson(url, this.#hub.token));
    if (answer.success) return answer.data as HubAnswer<Name>;
    const issue = answer.error.issues[0];
    throw new FoglineError(
      'message_invalid',
      `${url.pathname}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'unexpected answer'}`,
    );
  }

  /** All pages, from the first. Throws as `get`. */
  async *pages<Name extends ListName>(name: Name, params: HubParams[Name] = {}): AsyncGenerator<HubAnswer<Name>> {
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page: HubAnswer<Name> = await this.get(name, { ...params, ...(cursor === undefined ? {} : { cursor }) });
      yield page;
      cursor = page.next;
    }
  }
}

export type DataColumns = HubAnswer<'data'>['series'][number]['columns'];

/** A column of numbers. Throws `message_invalid` where it is another, or not there. */
export function numbersOf(columns: DataColumns, name: string): readonly number[] {
  const column = columns[name];
  if (column?.every((value) => typeof value === 'number') === true) return column;
  throw new FoglineError('message_invalid', `data: column "${name}" is none of numbers`);
}
