// Making a tag: a plain ref, or an object of its own with a message and a tagger.
import { openDraft, type Signature, signatureLine } from './drafts.ts';
import { RepositoryError } from './errors.ts';
import { type ObjectId, parseTagName, type TagName, tagRef } from './ref-names.ts';
import { getTag, mustResolve, type Tag, updateRefs } from './refs.ts';
import type { Repositories } from './repository-files.ts';

export interface TagRequest {
  readonly name: string;
  readonly revision: string;
  /** With a message the tag is annotated, by `tagger`. */
  readonly message?: string;
  readonly tagger: Signature;
}

/** A tag that is written and waits for a decision. */
export interface PreparedTag {
  readonly name: TagName;
  /** what the ref will name: the tag object of an annotated tag, else the commit */
  readonly newId: ObjectId;
  /** Makes it. Throws `tag_exists`, `ref_conflict`. */
  publish(): Promise<Tag>;
  /** Forgets it; harmless after `publish`. */
  discard(): Promise<void>;
}

/** Writes a tag's object, if it has one, and moves nothing. Throws `invalid_tag_name`, `reference_missing`, `invalid_commit`. */
export async function prepareTag(repositories: Repositories, id: number, request: TagRequest): Promise<PreparedTag> {
  const name = parseTagName(request.name);
  if (!name) throw new RepositoryError('invalid_tag_name', request.name);
  const commitId = await mustResolve(repositories, id, request.revision);
  const draft = request.message ? await openDraft(repositories, id) : null;
  const discard = async () => draft?.discard();
  let newId = commitId;
  if (draft && request.message) {
    try {
      if (request.message.includes('\0')) throw new RepositoryError('invalid_commit', 'message');
      const head = `object ${commitId}\ntype commit\ntag ${name}\ntagger ${signatureLine(request.tagger)}\n\n`;
      const text = `${head}${request.message.toWellFormed().replace(/\n*$/, '\n')}`;
      const output = await draft.git(['hash-object', '-t', 'tag', '-w', '--stdin'], { input: text });
      newId = output.toString('utf8').trim() as ObjectId;
    } catch (error) {
      await discard();
      throw error;
    }
  }
  return {
    name,
    newId,
    discard,
    async publish() {
      await draft?.keep();
      await updateRefs(repositories, id, [{ ref: tagRef(name), newId, oldId: null }]).catch((error: unknown) => {
        const exists = error instanceof RepositoryError && error.code === 'stale_ref';
        throw exists ? new RepositoryError('tag_exists', name) : error;
      });
      return getTag(repositories, id, name);
    },
  };
}

/** Makes a tag. Throws `invalid_tag_name`, `reference_missing`, `tag_exists`, `ref_conflict`, `invalid_commit`. */
export async function createTag(repositories: Repositories, id: number, request: TagRequest): Promise<Tag> {
  const prepared = await prepareTag(repositories, id, request);
  try {
    return await prepared.publish();
  } finally {
    await prepared.discard();
  }
}
