// The whole REST table: every route of every area, in one list. Add an area by importing its `routes` and spreading it here;
// nothing else in the door knows the areas by name.
import type { Route } from '../route.ts';
import { instanceRoutes } from './instance.ts';
import { routes as session } from './session.ts';

const areas: readonly Route[] = [...session];

/** Every route below `/api/v4`. Order does not matter: fixed segments win over parameters. */
export const routes: readonly Route[] = [...areas, ...instanceRoutes(() => routes)];
