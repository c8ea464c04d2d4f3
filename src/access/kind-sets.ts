// Lock 2, first half: which kinds of credential may do a sort of thing at all. A table of every set against every kind; a new
// kind does not compile until each cell says yes or no. Anything absent is no.
import type { Kind } from '../credentials/kinds.ts';
import type { KindSetName } from './rule.ts';

const NO: Record<Kind, boolean> = {
  personal_access_token: false,
  group_access_token: false,
  project_access_token: false,
  deploy_token: false,
  deploy_key: false,
  runner_token: false,
  job_token: false,
  trigger_token: false,
  session: false,
  user_ssh_key: false,
  password: false,
  schedule: false,
  local: false,
  anonymous: false,
};

const USERS = {
  personal_access_token: true,
  group_access_token: true,
  project_access_token: true,
  session: true,
  local: true,
} as const;

export const kindSets: Readonly<Record<KindSetName, Readonly<Record<Kind, boolean>>>> = {
  /** REST reads that need nobody */
  everyone: { ...NO, ...USERS, anonymous: true },
  /** REST for anyone who acts as a user, bots included */
  signed_in: { ...NO, ...USERS },
  /** REST for users that are no token bots: self-service, making new keys (security-lessons R21) */
  people: { ...NO, personal_access_token: true, session: true, local: true },
  /** the same as signed_in, named for routes whose role decides about bots */
  humans_and_bots: { ...NO, ...USERS },
  /** only a signed-in browser */
  session_only: { ...NO, session: true },
  /** a browser before or after signing in; never a token (security-lessons R4) */
  browsers: { ...NO, session: true, anonymous: true },
  /** what may act as somebody else (reference access-tokens 2.5) */
  sudoers: { ...NO, personal_access_token: true },
  /** an access token asking about itself */
  token_itself: { ...NO, personal_access_token: true, group_access_token: true, project_access_token: true },
  /** somebody who proved his own SSH key, which counts as signing in (reference access-tokens 4.7) */
  ssh_people: { ...NO, user_ssh_key: true },
  /** clone and fetch; the job token comes with its own door */
  git_readers: {
    ...NO,
    ...USERS,
    deploy_token: true,
    deploy_key: true,
    user_ssh_key: true,
    password: true,
    anonymous: true,
  },
  /** push; a deploy token only with its opt-in scope */
  git_writers: { ...NO, ...USERS, deploy_token: true, deploy_key: true, user_ssh_key: true, password: true },
  /** git users whose push may make a project: never deploy keys or tokens (reference git-and-deploy 8.5) */
  pushers: {
    ...NO,
    personal_access_token: true,
    group_access_token: true,
    project_access_token: true,
    user_ssh_key: true,
    password: true,
  },
  /** repository reads over REST */
  readers: { ...NO, ...USERS, anonymous: true },
};
