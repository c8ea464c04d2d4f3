// The whole REST table: every route of every area, in one list. Add an area by importing its `routes` and spreading it here;
// nothing else in the door knows the areas by name.
import type { Route } from '../route.ts';
import { routes as account } from './account.ts';
import { routes as adminToken } from './admin-token.ts';
import { routes as audit } from './audit.ts';
import { routes as branches } from './branches.ts';
import { routes as commits } from './commits.ts';
import { routes as deployKeys } from './deploy-keys.ts';
import { routes as deployTokens } from './deploy-tokens.ts';
import { routes as files } from './files.ts';
import { routes as groups } from './groups.ts';
import { routes as impersonation } from './impersonation.ts';
import { instanceRoutes } from './instance.ts';
import { routes as keyward } from './keyward.ts';
import { routes as mails } from './mails.ts';
import { routes as members } from './members.ts';
import { routes as namespaces } from './namespaces.ts';
import { routes as personalTokens } from './personal-tokens.ts';
import { routes as projectMoves } from './project-moves.ts';
import { routes as projects } from './projects.ts';
import { routes as protectedRefs } from './protected-refs.ts';
import { routes as recovery } from './recovery.ts';
import { routes as repository } from './repository.ts';
import { routes as resourceTokens } from './resource-tokens.ts';
import { routes as serviceAccounts } from './service-accounts.ts';
import { routes as session } from './session.ts';
import { routes as settings } from './settings.ts';
import { routes as shares } from './shares.ts';
import { routes as statistics } from './statistics.ts';
import { routes as tags } from './tags.ts';
import { routes as userEmails } from './user-emails.ts';
import { routes as userKeys } from './user-keys.ts';
import { routes as userTokens } from './user-tokens.ts';
import { routes as users } from './users.ts';

const areas: readonly Route[] = [
  ...tags,
  ...repository,
  ...protectedRefs,
  ...files,
  ...commits,
  ...branches,
  ...adminToken,
  ...deployKeys,
  ...deployTokens,
  ...impersonation,
  ...keyward,
  ...personalTokens,
  ...resourceTokens,
  ...serviceAccounts,
  ...userKeys,
  ...userTokens,
  ...session,
  ...users,
  ...userEmails,
  ...account,
  ...recovery,
  ...projects,
  ...projectMoves,
  ...groups,
  ...namespaces,
  ...members,
  ...shares,
  ...settings,
  ...mails,
  ...statistics,
  ...audit,
];

/** Every route below `/api/v4`. Order does not matter: fixed segments win over parameters. */
export const routes: readonly Route[] = [...areas, ...instanceRoutes(() => routes)];
