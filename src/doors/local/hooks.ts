// Joins the local socket and the desk where pushes wait: a hook's question goes to the push that it belongs to.

import { pushDeskOf } from '../../repositories/push-desk.ts';
import type { House } from '../../storage/house.ts';
import type { LocalDoor } from './local-door.ts';

/** Lets pushes of this process find the socket, and hooks on the socket find their push. */
export function answerHooks(door: LocalDoor, house: Pick<House, 'db'>): void {
  const desk = pushDeskOf(house);
  desk.socketPath = door.path;
  door.answer('pre-receive', (message) => desk.answer(message));
}
