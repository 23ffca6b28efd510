// Metrics that several rows show, and parts of them.

export const ADMISSIONS = 'samebytes_admissions_total';
export const ADMISSION_SECONDS = 'samebytes_admission_duration_seconds';
export const PART_SECONDS = 'samebytes_admission_part_duration_seconds';
export const CACHE_REQUESTS = 'samebytes_cache_requests_total';
export const REGISTRY_REQUESTS = 'samebytes_registry_requests_total';
export const REGISTRY_SECONDS = 'samebytes_registry_request_duration_seconds';
/** Whoever shares an answer that another one asks for, asks for nothing. */
export const NOT_MISSED = 'result!="miss"';
/** Answers and failures that are the registry's fault, or of the way to it: not of whoever wrote the image. */
export const REGISTRY_FAILED =
  'code=~"5..|408|429|499|unreachable|throttled|certificate|forbidden_address|invalid_answer|cancelled"';
