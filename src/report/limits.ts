/** What code hosts take of a text, in UTF-16 units unless another unit is said. Sources: GitHub's documentation and its OpenAPI description. */

/**
 * Body of a pull request, an issue or a comment. GitHub answers 422 "body is too long (maximum is 65536 characters)"
 * (renovatebot/renovate#2032; release-please has the same `MAX_ISSUE_BODY_SIZE`); what is free here is for the hidden marker and
 * for notes of people.
 */
export const BODY_LIMIT = 60_000;
/** What GitHub takes of a body in all: beyond it nothing of a pull request can be written any more. */
export const WHOLE_BODY_LIMIT = 65_536;

/** GitHub takes 256, mail clients and lists show less. */
export const TITLE_LIMIT = 120;

/** `output.summary` and `output.text` of a check run, each: `maxLength` in GitHub's OpenAPI description. */
export const CHECK_LIMIT = 65_535;

/** Annotations in one request for a check run: OpenAPI, `maxItems`. Further requests append. */
export const ANNOTATIONS_A_REQUEST = 50;

/** All annotations of one check: more than anybody reads beside a diff; the rest is in the text. */
export const ANNOTATIONS_LIMIT = 200;

/** `message` of an annotation: GitHub's documentation of check runs says 64 KB; a complaint is a few lines. `title`: 255 characters there. */
export const ANNOTATION_MESSAGE_LIMIT = 4_000;

/**
 * Bytes of UTF-8. One step's job summary may have 1 MiB ("Isolation and limits for workflow job summaries", GitHub's documentation of
 * workflow commands); beyond it the upload fails and the job stays green.
 */
export const JOB_SUMMARY_LIMIT = 900 * 1024;
