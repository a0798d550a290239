/* SPDX-License-Identifier: Apache-2.0 */
/* docs/openapi.json, made part of the program when it is built. */
#ifndef COPSE_HTTP_OPENAPI_H
#define COPSE_HTTP_OPENAPI_H

extern const char copse_openapi_json[];

#endif
