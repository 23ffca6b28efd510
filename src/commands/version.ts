/** The product's version; a test holds it equal to package.json. */
export const VERSION = '0.1.0';

/** The name under which registries see us: they throttle and debug by it. */
export const USER_AGENT = `samebytes/${VERSION}`;
