// What a Keycloak makes of a realm file: placeholders, built-in scopes, and which claim a mapper puts into which token.
// The provider of the tests and the test of the shipped realm both read the tables below.
import { createHash } from "node:crypto";

const everywhere = { "id.token.claim": "true", "access.token.claim": "true", "userinfo.token.claim": "true" };
const accessOnly = { "access.token.claim": "true" };
const attribute = (name, claim) => ({
  protocolMapper: "oidc-usermodel-attribute-mapper",
  config: { "user.attribute": name, "claim.name": claim, ...everywhere },
});

// The scopes that Keycloak 26 gives a realm whose file has no `clientScopes`; of the claims, those that tests look at.
export const BUILT_IN = {
  basic: [
    { protocolMapper: "oidc-sub-mapper", config: accessOnly },
    {
      protocolMapper: "oidc-usersessionmodel-note-mapper",
      config: { "user.session.note": "AUTH_TIME", "claim.name": "auth_time", ...accessOnly },
    },
  ],
  profile: [
    attribute("username", "preferred_username"),
    attribute("firstName", "given_name"),
    attribute("lastName", "family_name"),
    { protocolMapper: "oidc-full-name-mapper", config: everywhere },
  ],
  email: [
    attribute("email", "email"),
    { protocolMapper: "oidc-usermodel-property-mapper", config: { "user.attribute": "emailVerified", "claim.name": "email_verified", ...everywhere } },
  ],
  roles: [{ protocolMapper: "oidc-usermodel-realm-role-mapper", config: { "claim.name": "realm_access.roles", ...accessOnly } }],
  address: [],
  phone: [],
  acr: [],
  "web-origins": [],
  "microprofile-jwt": [],
  offline_access: [],
};

const flags = ["id.token.claim", "access.token.claim", "introspection.token.claim", "lightweight.claim"];
const named = [...flags, "userinfo.token.claim", "claim.name"];
const DEFAULT_ROLES = ["offline_access", "uma_authorization", "default-roles-kalends"];

// Every mapper a realm file may use: the keys its `config` may have, and [claim, value] for a person at a client.
export const MAPPERS = {
  "oidc-sub-mapper": { keys: flags, claim: (config, { person }) => ["sub", person.id] },
  "oidc-usersessionmodel-note-mapper": {
    keys: [...named, "user.session.note", "jsonType.label"],
    claim: (config, { authTime }) => [config["claim.name"], authTime],
  },
  "oidc-usermodel-attribute-mapper": {
    keys: [...named, "user.attribute", "jsonType.label", "multivalued", "aggregate.attrs"],
    claim: (config, { person }) => [config["claim.name"], person[config["user.attribute"]]],
  },
  "oidc-usermodel-property-mapper": {
    keys: [...named, "user.attribute", "jsonType.label"],
    claim: (config, { person }) => [config["claim.name"], person[config["user.attribute"]]],
  },
  "oidc-full-name-mapper": {
    keys: [...flags, "userinfo.token.claim"],
    claim: (config, { person }) => ["name", [person.firstName, person.lastName].filter(Boolean).join(" ") || undefined],
  },
  "oidc-group-membership-mapper": {
    keys: [...named, "full.path", "multivalued"],
    claim: (config, { person }) => [
      config["claim.name"],
      (person.groups ?? []).map(path => (config["full.path"] === "true" ? path : path.replace(/.*\//, ""))),
    ],
  },
  "oidc-usermodel-realm-role-mapper": {
    keys: [...named, "jsonType.label", "multivalued", "usermodel.realmRoleMapping.rolePrefix"],
    claim: (config, { person, client }) => [
      config["claim.name"],
      client.fullScopeAllowed ? [...DEFAULT_ROLES, ...(person.realmRoles ?? [])] : undefined,
    ],
  },
  "oidc-audience-mapper": {
    keys: [...flags, "userinfo.token.claim", "included.client.audience"],
    claim: config => ["aud", config["included.client.audience"]],
  },
};

// Keycloak's import puts the environment in place of ${NAME}, and leaves what the environment does not have.
export const resolve = (text, env) => text.replace(/\$\{(\w+)\}/g, (whole, name) => env[name] ?? whole);

export const scopesOf = client => [...(client.defaultClientScopes ?? []), ...(client.optionalClientScopes ?? [])];

// The claims of one kind of token ("id", "access", "userinfo") for a person at a client.
export function claims(kind, client, facts) {
  const found = {};
  const mappers = [...client.defaultClientScopes.flatMap(scope => BUILT_IN[scope]), ...(client.protocolMappers ?? [])];
  for (const { protocolMapper, config } of mappers) {
    if (config[`${kind}.token.claim`] !== "true") continue;
    const [name, value] = MAPPERS[protocolMapper].claim(config, { ...facts, client });
    if (value === undefined) continue;
    const path = name.split(".");
    const last = path.pop();
    const place = path.reduce((within, key) => (within[key] ??= {}), found);
    place[last] = value;
  }
  return found;
}

// A client's service account is a user of the realm with a key of its own.
export function serviceAccount(clientId) {
  const hex = createHash("sha256").update(clientId).digest("hex");
  const id = [hex.slice(0, 8), hex.slice(8, 12), "4" + hex.slice(13, 16), "8" + hex.slice(17, 20), hex.slice(20, 32)].join("-");
  return { id, username: `service-account-${clientId}`, emailVerified: false, groups: [] };
}
