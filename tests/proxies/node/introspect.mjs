// Asks the validator about tokens by two libraries: `node introspect.mjs <issuer> <id> <secret> <token>...`
// Prints one line of JSON for each token: what each library has made of the answer.
import * as oauth from "oauth4webapi";
import * as openid from "openid-client";

const [issuer, id, secret, ...tokens] = process.argv.slice(2);

const url = new URL(issuer);
const server = await oauth.processDiscoveryResponse(
  url,
  await oauth.discoveryRequest(url, { algorithm: "oauth2" }),
);
const client = { client_id: id };
const configuration = await openid.discovery(url, id, secret, openid.ClientSecretBasic(secret), {
  algorithm: "oauth2",
});

for (const token of tokens) {
  const response = await oauth.introspectionRequest(server, client, oauth.ClientSecretBasic(secret), token);
  const bare = await oauth.processIntrospectionResponse(server, client, response);
  const full = await openid.tokenIntrospection(configuration, token);
  console.log(JSON.stringify({ "oauth4webapi": bare, "openid-client": full }));
}
