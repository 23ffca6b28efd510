import { stripTypeScriptTypes } from 'node:module';

/** A Jest transformer over Node's own type stripping: positions in stack traces stay exact. */
export default { process: (source) => ({ code: stripTypeScriptTypes(source) }) };
