// `keyward doctor`: is all in order? Looks from the outside first, then asks the running server what only it knows, then opens the
// house and looks inside. It mends nothing.
import { existsSync } from 'node:fs';
import type { Config } from '../../config.ts';
import { askLocalDoor } from '../../doors/local/local-door.ts';
import type { Services } from '../../doors/services.ts';
import { checkHealth } from '../../storage/health-store.ts';
import { checkBlobs } from './blobs.ts';
import type { Finding } from './finding.ts';
import { checkAudit, checkClock, checkFirstStart, checkPushes, checkRepositories } from './inside.ts';
import { checkPermissions, checkSettings } from './outside.ts';

export interface Diagnosis {
  /** nothing but notes */
  readonly clean: boolean;
  /** something is lost or altered */
  readonly damaged: boolean;
  readonly serving: boolean;
  readonly findings: readonly Finding[];
}

/** What a running server tells the doctor. */
export interface ServerFacts {
  /** requests came with X-Forwarded-For since the start */
  readonly forwardedSeen: boolean;
}

/** Looks at everything. `openHouse` is asked only when the database can be opened without harm. */
export async function diagnose(
  config: Config,
  options: { readonly fsck: boolean },
  withServices: (work: (services: Services) => Promise<Finding[]>) => Promise<Finding[]>,
): Promise<Diagnosis> {
  const server = await askServer(config.data);
  const findings: Finding[] = [...checkPermissions(config), ...checkSettings(config, server?.forwardedSeen ?? false)];
  const database = await checkDatabase(config);
  findings.push(...database.findings);
  const hasKeys = !findings.some((finding) => finding.check === 'keys');
  if (database.opens && hasKeys)
    findings.push(
      ...(await attempt('database', () =>
        withServices(async (services) => [
          ...(await attempt('audit', () => checkAudit(services, config.data))),
          ...(await attempt('repositories', () => checkRepositories(services, config.data, options.fsck))),
          ...(await attempt('blobs', () => checkBlobs(services, config.data, options.fsck))),
          ...(await attempt('pushes', () => checkPushes(services, server !== null))),
          ...(await attempt('clock', () => checkClock(services))),
          ...(await attempt('settings', () => checkFirstStart(services))),
        ]),
      )),
    );
  return {
    clean: findings.every((finding) => finding.level === 'note'),
    damaged: findings.some((finding) => finding.level === 'damage'),
    serving: server !== null,
    findings,
  };
}

/** What cannot be looked at is a finding, and no reason to be silent about the rest. */
async function attempt(check: Finding['check'], look: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await look();
  } catch (error) {
    return [{ check, level: 'damage', text: `it cannot be looked at: ${(error as Error).message}` }];
  }
}

async function askServer(data: string): Promise<ServerFacts | null> {
  try {
    const answer = (await askLocalDoor(data, { type: 'doctor' })) as Partial<ServerFacts>;
    return { forwardedSeen: answer.forwardedSeen === true };
  } catch {
    return null;
  }
}

async function checkDatabase(config: Config): Promise<{ readonly findings: Finding[]; readonly opens: boolean }> {
  const say = (level: Finding['level'], text: string): Finding => ({ check: 'database', level, text });
  const url = config.databaseUrl.reveal();
  if (url.startsWith('sqlite:') && !existsSync(url.slice('sqlite:'.length)))
    return { findings: [say('damage', `there is no database in ${config.data}`)], opens: false };
  try {
    const { problems, risks, schema, known } = await checkHealth(url);
    const findings = [...problems.map((text) => say('damage', text)), ...risks.map((text) => say('risk', text))];
    if (schema > known)
      findings.push(say('risk', `its schema ${schema} is newer than this program, which knows ${known}`));
    if (schema < known)
      findings.push(say('risk', `its schema ${schema} is older than ${known}: the next start brings it up`));
    return { findings, opens: schema === known };
  } catch (error) {
    return { findings: [say('damage', `it cannot be read: ${(error as Error).message}`)], opens: false };
  }
}
