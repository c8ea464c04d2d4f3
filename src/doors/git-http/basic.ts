// Who is it? Reads HTTP Basic credentials and has them verified in the order of reference git-and-deploy 8.2: a token by any
// user name, a deploy token by exactly its own, the account password last. What the key may do is not asked here.
import { atProject } from '../../access/place.ts';
import { deadRefusal } from '../../access/refusal.ts';
import type { DeadCredential } from '../../credentials/dead.ts';
import { failureLimitOf } from '../../credentials/failure-limit.ts';
import { anonymous, type VerifiedCredential } from '../../credentials/verified-credential.ts';
import { err, ok, type Result } from '../../kernel/result.ts';
import { Secret } from '../../kernel/secret.ts';
import { readSettings } from '../../settings/settings.ts';
import { refusalAuditOf } from '../http/refusal-audit.ts';
import type { Services } from '../services.ts';
import { accessDenied, addressBlocked, type GitReply } from './replies.ts';

const JOB_LOGIN = 'gitlab-ci-token';
/** Texts that only our own keys begin with: never worth the work of a password check (security-lessons R46). */
const KEY_LIKE = /^gl[a-z]{2,8}-/;

export interface Basic {
  readonly login: string;
  readonly password: Secret;
}

/** A further sort of credential, asked before all others: proven, wrong (`denied`), or null when it is none of that sort. */
export type FurtherSort = (basic: Basic) => Promise<VerifiedCredential | 'denied' | null>;

/** What a dead key wanted: what the audit says of one that we know. */
export interface Wish {
  readonly action: 'repository:pull' | 'repository:push';
  readonly path: string;
}

/**
 * Anonymous without credentials (another scheme than Basic counts as none); else the proven credential or the reply. `further`:
 * what these routes take beside git's credentials.
 */
export async function authenticate(
  services: Services,
  header: string | undefined,
  ip: string,
  wish: Wish,
  further: FurtherSort = async () => null,
): Promise<Result<VerifiedCredential, GitReply>> {
  const basic = readBasic(header);
  if (basic === null) return ok(anonymous());
  if (basic === 'broken') return err(accessDenied(services.url));
  const limit = failureLimitOf(services);
  if (basic.login !== JOB_LOGIN) {
    const wait = await limit.blockedFor(ip);
    if (wait !== null) return err(addressBlocked(wait));
  }
  let dead: DeadCredential = { code: 'unknown', identified: null };
  const special = await further(basic);
  const verified =
    special === null
      ? await verify(services, basic, (known) => {
          dead = known;
        })
      : special === 'denied'
        ? err(accessDenied(services.url))
        : ok(special);
  const late = verified.ok || basic.login !== JOB_LOGIN ? await limit.judged(ip, verified.ok) : null;
  if (late !== null) return err(addressBlocked(late));
  if (!verified.ok) refusalAuditOf(services).note('git-http', deadRefusal(dead), wish.action, atProject(wish.path), ip);
  return verified;
}

async function verify(
  services: Services,
  { login, password }: Basic,
  onDead: (dead: DeadCredential) => void,
): Promise<Result<VerifiedCredential, GitReply>> {
  const denied = err(accessDenied(services.url));
  if (password.reveal() === '') return denied;
  const token = await services.verifier.token(password);
  if (token.ok) return fits(token.value, login) ? token : denied;
  if (token.error.identified !== null) onDead(token.error);
  if (token.error.identified !== null || login === '' || KEY_LIKE.test(password.reveal())) return denied;
  const settings = await readSettings(services.db.read);
  // Not even right or wrong is told then: without the challenge git does not ask again.
  if (!settings.password_authentication_enabled_for_git) return err(accessDenied(services.url, false));
  const account = await services.verifier.password(login, password);
  return account.ok ? account : denied;
}

/** Whether a key of this kind may be presented to git under this user name. */
function fits(credential: VerifiedCredential, login: string): boolean {
  switch (credential.kind) {
    case 'personal_access_token':
    case 'group_access_token':
    case 'project_access_token':
      return true;
    case 'deploy_token':
      return credential.holder.type === 'deploy_token' && credential.holder.username === login;
    case 'job_token':
      return login === JOB_LOGIN;
    default:
      return false;
  }
}

function readBasic(header: string | undefined): Basic | null | 'broken' {
  const match = /^basic +(.*)$/i.exec(header ?? '');
  if (!match) return null;
  const encoded = match[1]!.trim();
  if (encoded.length > 4096 || !/^[A-Za-z0-9+/]*={0,2}$/.test(encoded)) return 'broken';
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon === -1) return 'broken';
  return { login: text.slice(0, colon), password: new Secret(text.slice(colon + 1)) };
}
