// What a deed's expected failure says on this wire (reference access-tokens 3.1), and what is left of errors that nobody
// expected: a clash is 409, a list that took too long 503, anything else 500 without a detail.
import { type Fault, FaultError } from '../../kernel/faults.ts';
import { diskTrouble, ListTimeout, UniqueViolation, UnstorableValue } from '../../storage/errors.ts';
import { error, insufficientScope, message, type WireReply } from './wire-reply.ts';

/** The answer to an expected failure. */
export function faultToReply(fault: Fault): WireReply {
  switch (fault.code) {
    case 'invalid_parameters':
      return error(400, fault.texts.join(', '));
    case 'invalid_record':
      return message(400, fault.fields);
    case 'bad_request':
      return message(400, `400 Bad request - ${fault.reason}`);
    case 'unprocessable':
      return message(422, fault.reason);
    case 'not_found':
      if (fault.thing === null) return message(404, '404 Not found');
      return message(404, fault.thing === '' ? '404 Not Found' : `404 ${fault.thing} Not Found`);
    case 'conflict':
      return message(409, fault.reason);
    case 'forbidden':
      return message(403, fault.reason === null ? '403 Forbidden' : `403 Forbidden - ${fault.reason}`);
    case 'unauthorized':
      return message(401, '401 Unauthorized');
    case 'insufficient_scope':
      return insufficientScope(fault.scopes);
    case 'method_not_allowed':
      return message(405, fault.reason ?? '405 Method Not Allowed');
    case 'precondition_failed':
      return message(412, '412 Precondition Failed');
    case 'unavailable':
      return message(503, fault.reason, { 'retry-after': String(fault.retryAfter) });
    case 'too_many_requests':
      return tooManyRequests(fault.retryAfter);
    default:
      return fault satisfies never;
  }
}

/** 429, come back after `seconds`. */
export function tooManyRequests(seconds: number): WireReply {
  return message(429, '429 Too Many Requests', { 'retry-after': String(seconds) });
}

/** The answer to whatever was thrown; null when it is a mistake of ours, to be logged and answered with CRASH. */
export function errorToReply(thrown: unknown): WireReply | null {
  if (thrown instanceof FaultError) return faultToReply(thrown.fault);
  if (thrown instanceof UniqueViolation) return message(409, '409 Conflict');
  if (thrown instanceof ListTimeout) return message(503, '503 Service Unavailable', { 'retry-after': '5' });
  if (thrown instanceof UnstorableValue) return message(400, '400 Bad request');
  return null;
}

export const CRASH: WireReply = message(500, '500 Internal Server Error');

/** What is said when the disk takes no more: nothing was done, and it is the operator's to mend. Null for other errors. */
export function diskToReply(thrown: unknown): WireReply | null {
  const trouble = diskTrouble(thrown);
  if (trouble === null) return null;
  return trouble === 'full'
    ? message(507, '507 Insufficient Storage - There is no room left on the server.')
    : message(500, '500 Internal Server Error - The server could not write to its disk.');
}
