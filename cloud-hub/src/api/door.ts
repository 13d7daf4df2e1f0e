/** A door of the API for clients that expect an address and an envelope of their own, errors included; app.ts opens it. */
import type { Rendered } from './output.ts';
import type { ProblemName } from './problems.ts';
import type { ApiContext } from './route.ts';

export interface DoorRequest {
  /** With its query. */
  readonly url: string;
  /** Body of a POST, as it came; '' without one. */
  readonly form: string;
  /** Captures of the path. */
  readonly params: Readonly<Record<string, string>>;
  isAbandoned(): boolean;
}

export interface DoorRoute {
  /** Below the prefix. */
  readonly path: string;
  readonly scope: 'read' | 'public';
  /** It answers a POST of a form as it does a GET. */
  readonly takesForm: boolean;
  answer(context: () => ApiContext, request: DoorRequest): Rendered | Promise<Rendered>;
}

export interface DoorError extends Rendered {
  readonly name: ProblemName;
  readonly status: number;
}

export interface Door {
  readonly prefix: string;
  readonly routes: readonly DoorRoute[];
  /** Said where nothing is. */
  readonly where: string;
  errorOf(error: unknown): DoorError;
}
