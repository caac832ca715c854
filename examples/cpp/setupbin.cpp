// Writes a setup.bin for a USB stick: it gives a machine of AMT 2 to 10 a password and a fresh pre-shared pair.
#include "example.hpp"

static std::string_view part_of(const amt_psk *pair, decltype(amt_psk_pid) get)
{
    const char *data;
    std::size_t len;
    Error err;
    must(get(pair, 0, &data, &len, err), err);
    return {data, len};
}

static int write(const std::vector<std::string> &arguments)
{
    Handle<amt_psk, amt_psk_free> pair;
    Handle<amt_setupbin, amt_setupbin_free> setup;
    Error err;
    must(amt_psk_generate(nullptr, 0, out(pair), err), err);
    const auto pid = part_of(pair.get(), amt_psk_pid), pps = part_of(pair.get(), amt_psk_pps);

    std::string wanted = R"({"records": [{"entries": {"current_password": "admin", "new_password": ")";
    wanted.append(secret("AMT_PASSWORD")).append(R"(", "pid": ")").append(pid);
    wanted.append(R"(", "pps": ")").append(pps).append(R"("}}]})");
    must(amt_setupbin_from_json(wanted.data(), wanted.size(), out(setup), err), err);

    const std::uint8_t *bytes;
    std::size_t len;
    must(amt_setupbin_bytes(setup.get(), &bytes, &len, err), err);
    std::ofstream file(arguments[0], std::ios::binary);
    if (!file.write(reinterpret_cast<const char *>(bytes), std::streamsize(len)).flush()) {
        throw Failure(arguments[0] + " cannot be written");
    }
    std::cout << arguments[0] << ": " << len << " bytes, PID " << pid << "; the setup server needs its PPS\n";
    return 0;
}

int main(int argc, char **argv) { return example(argc, argv, "setupbin FILE", write); }
