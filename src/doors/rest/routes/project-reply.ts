// One project as JSON for a route of its own, and the work on disk that goes with a deed on its record: the folder of a new
// repository, and the first commit that a README asks for.
import type { Allowed } from '../../../access/allowed.ts';
import type { VerifiedCredential } from '../../../credentials/verified-credential.ts';
import { actingUser } from '../../../credentials/verified-credential.ts';
import { noteFirstBranch } from '../../../directory/project-changes.ts';
import { projectDetails } from '../../../directory/project-details.ts';
import { projectSettings } from '../../../directory/project-settings.ts';
import { findMember, inheritedLevel } from '../../../identity/member-store.ts';
import type { Project } from '../../../identity/records.ts';
import { isoDate } from '../../../kernel/clock.ts';
import { fail } from '../../../kernel/faults.ts';
import { prepareCommit } from '../../../repositories/commit-actions.ts';
import { importStatus } from '../../../repositories/on-disk.ts';
import { publish } from '../../../repositories/prepared.ts';
import type { Services } from '../../services.ts';
import { presentProject } from '../present/project.ts';

/** The full JSON of a project with the caller's own roles in it. */
export async function oneProject(services: Services, credential: VerifiedCredential, project: Project) {
  const details = (await projectDetails(services, credential, [project])).get(project.id);
  if (!details) fail({ code: 'not_found', thing: 'Project' });
  const user = actingUser(credential);
  const imported = { import_status: await importStatus(services.repositories, project) };
  if (!user) return { ...presentProject(services, project, details), ...imported };
  const place = { type: 'project', projectId: project.id, namespace: details.namespace } as const;
  const today = isoDate(services.clock.now());
  const direct = await findMember(services.db.read, place, user.id, today);
  const inherited = await inheritedLevel(services.db.read, place, user.id, today);
  const levels = { projectAccess: direct?.access_level ?? null, groupAccess: inherited?.level ?? null };
  return { ...presentProject(services, project, details, levels), ...imported };
}

/** Makes the folder of a new project's repository. */
export async function makeRepository(services: Services, project: Project): Promise<void> {
  if (project.repository_id === null) return;
  await services.repositories.create(project.repository_id, {
    defaultBranch: projectSettings(project).initial_branch,
  });
}

/** Commits a README to a new repository; the branch becomes the default one, protected as new default branches are. */
export async function addReadme(
  services: Services,
  credential: VerifiedCredential,
  allowed: Allowed<'project:create'>,
  project: Project,
): Promise<Project> {
  if (project.repository_id === null) return project;
  const user = actingUser(credential);
  const branch = projectSettings(project).initial_branch;
  const signature = {
    name: user?.name ?? 'Keyward',
    email: user?.email ?? 'keyward@localhost',
    time: services.clock.now(),
  };
  const text = `# ${project.name}\n${project.description ? `\n${project.description}\n` : ''}`;
  const prepared = await prepareCommit(services.repositories, project.repository_id, {
    branch,
    message: 'Initial commit',
    actions: [{ action: 'create', filePath: 'README.md', content: Buffer.from(text) }],
    author: signature,
    committer: signature,
  });
  await publish(services.repositories, prepared);
  return noteFirstBranch(services, allowed, project, branch);
}
