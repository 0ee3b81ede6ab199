# The image of docker-compose.yml. glibc, because the embedded store (chDB) needs it.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# The lock first: a changed source file does not download the world again. `prepare` would build, and there is no source yet.
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:24-bookworm-slim
ENV NODE_ENV=production HAIDANG_DATA=/data
WORKDIR /app
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY --from=build /app/bin bin
COPY --from=build /app/src/model/metrics.yaml src/model/metrics.yaml
COPY --from=build /app/src/store/schema src/store/schema
COPY --from=build /app/rules/catalogue rules/catalogue
COPY --from=build /app/package.json /app/LICENSE ./
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 8080 1883 8123
# 24 h of operation, no shell between the signal and the engine.
ENTRYPOINT ["node", "bin/haidang.js"]
CMD ["run"]
