// Making a tag: a plain ref, or an object of its own with a message and a tagger.
import { openDraft, type Signature, signatureLine } from './drafts.ts';
import { RepositoryError } from './errors.ts';
import { type ObjectId, parseTagName, tagRef } from './ref-names.ts';
import { getTag, mustResolve, type Tag, updateRefs } from './refs.ts';
import type { Repositories } from './repository-files.ts';

export interface TagRequest {
  readonly name: string;
  readonly revision: string;
  /** With a message the tag is annotated, by `tagger`. */
  readonly message?: string;
  readonly tagger: Signature;
}

/** Makes a tag. Throws `invalid_tag_name`, `reference_missing`, `tag_exists`, `ref_conflict`, `invalid_commit`. */
export async function createTag(repositories: Repositories, id: number, request: TagRequest): Promise<Tag> {
  const tag = parseTagName(request.name);
  if (!tag) throw new RepositoryError('invalid_tag_name', request.name);
  const commitId = await mustResolve(repositories, id, request.revision);
  const draft = request.message ? await openDraft(repositories, id) : null;
  try {
    let newId = commitId;
    if (draft && request.message) {
      if (request.message.includes('\0')) throw new RepositoryError('invalid_commit', 'message');
      const head = `object ${commitId}\ntype commit\ntag ${tag}\ntagger ${signatureLine(request.tagger)}\n\n`;
      const text = `${head}${request.message.toWellFormed().replace(/\n*$/, '\n')}`;
      const output = await draft.git(['hash-object', '-t', 'tag', '-w', '--stdin'], { input: text });
      newId = output.toString('utf8').trim() as ObjectId;
      await draft.keep();
    }
    await updateRefs(repositories, id, [{ ref: tagRef(tag), newId, oldId: null }]);
  } catch (error) {
    const exists = error instanceof RepositoryError && error.code === 'stale_ref';
    throw exists ? new RepositoryError('tag_exists', request.name) : error;
  } finally {
    await draft?.discard();
  }
  return getTag(repositories, id, tag);
}
