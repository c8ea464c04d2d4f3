// The whole REST table: every route of every area, in one list. Add an area by importing its `routes` and spreading it here;
// nothing else in the door knows the areas by name.
import type { Route } from '../route.ts';
import { routes as adminToken } from './admin-token.ts';
import { routes as deployTokens } from './deploy-tokens.ts';
import { routes as impersonation } from './impersonation.ts';
import { instanceRoutes } from './instance.ts';
import { routes as keyward } from './keyward.ts';
import { routes as personalTokens } from './personal-tokens.ts';
import { routes as resourceTokens } from './resource-tokens.ts';
import { routes as serviceAccounts } from './service-accounts.ts';
import { routes as session } from './session.ts';
import { routes as userTokens } from './user-tokens.ts';

const areas: readonly Route[] = [
  ...adminToken,
  ...deployTokens,
  ...impersonation,
  ...keyward,
  ...personalTokens,
  ...resourceTokens,
  ...serviceAccounts,
  ...userTokens,
  ...session,
];

/** Every route below `/api/v4`. Order does not matter: fixed segments win over parameters. */
export const routes: readonly Route[] = [...areas, ...instanceRoutes(() => routes)];
