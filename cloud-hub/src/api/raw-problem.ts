/** Requests that never became one (malformed HTTP, oversized headers) get a problem document too, written to the bare socket. */
import { STATUS_CODES } from 'node:http';
import { type ProblemName, problemContentType, problemOf } from './problems.ts';

const byCode: Readonly<Record<string, readonly [ProblemName, string]>> = {
  HPE_HEADER_OVERFLOW: [
    'headers_too_large',
    'request line and header fields together exceed 16 KiB; shorten the query or send fewer header fields',
  ],
  ERR_HTTP_REQUEST_TIMEOUT: ['request_malformed', 'the request did not arrive in time'],
};

export function rawProblem(error: { readonly code?: string }): string {
  const [name, detail] = byCode[error.code ?? ''] ?? [
    'request_malformed',
    'this is not a well-formed HTTP/1.1 request',
  ];
  const problem = problemOf(name, detail);
  const body = `${JSON.stringify(problem)}\n`;
  return [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}`,
    `content-type: ${problemContentType}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
    '',
    body,
  ].join('\r\n');
}
